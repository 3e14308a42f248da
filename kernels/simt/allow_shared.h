/// What a launch has to ask of the runtime before it takes much shared memory; the same source for
/// GPUs and for the emulator, which thus sees what is asked.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace simt {

/// Lets `kernel` be launched with so much dynamic shared memory. A kernel's blocks may have 48 KiB
/// of shared memory, static and dynamic together, unless more is asked for by name.
inline cudaError_t allow_shared(const void* kernel, std::size_t dynamic_bytes) {
  constexpr std::size_t granted = 48 * 1024;
  if (dynamic_bytes == 0) return cudaSuccess;  // the compiler refuses more static memory
  cudaFuncAttributes held;
  const cudaError_t status = cudaFuncGetAttributes(&held, kernel);
  if (status != cudaSuccess || held.sharedSizeBytes + dynamic_bytes <= granted) return status;
  return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(dynamic_bytes));
}

}  // namespace simt
