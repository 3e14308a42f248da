/// The one header that a kernel's source includes. Compiled by nvcc it is CUDA and little more;
/// compiled by a C++ compiler with SIMT_EMULATED defined it is the emulator's dialect, in which the
/// same source runs on the CPU.
///   SIMT_SHARED(float, tile, [16][17]);   a static array in shared memory
///   SIMT_DYN_SHARED(float, buffer);       the dynamic part of shared memory, aligned to 16 bytes
///   simt::launch(kernel, grid, block, dynamic_shared_bytes, stream, arguments...)
///   simt::ld<float4>(p), simt::st(p, v)   one access of global or shared memory, aligned as T is
#pragma once

#if defined(SIMT_EMULATED)
#include "kernels/simt/dialect.h"
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "kernels/simt/allow_shared.h"

#if defined(__CUDACC__)
#define SIMT_SHARED(Element, name, ...) __shared__ Element name __VA_ARGS__
#define SIMT_DYN_SHARED(Element, name)                                       \
  extern __shared__ __align__(16) unsigned char simt_dynamic_shared_bytes[]; \
  Element* name = reinterpret_cast<Element*>(simt_dynamic_shared_bytes)

namespace simt {

template <class T>
__device__ __forceinline__ T ld(const void* p) {
  return *static_cast<const T*>(p);
}

template <class T>
__device__ __forceinline__ void st(void* p, const T& value) {
  *static_cast<T*>(p) = value;
}

/// Launches `kernel`; arguments convert to its parameters as in a call. Asks for shared memory
/// where the kernel needs more than blocks have by default. Asynchronous on `stream`; returns what
/// the launch itself reports.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   std::size_t dynamic_shared_bytes, cudaStream_t stream,
                   Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "wrong number of arguments");
  const cudaError_t allowed =
      allow_shared(reinterpret_cast<const void*>(kernel), dynamic_shared_bytes);
  if (allowed != cudaSuccess) return allowed;
  // clang-format off
  kernel<<<grid, block, dynamic_shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
  // clang-format on
  return cudaGetLastError();
}

}  // namespace simt
#endif
#endif
