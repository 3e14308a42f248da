/// Checked calls and launches: an error of CUDA is a DeviceError that names the call or the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/runtime/exec.h"
#include "kernels/simt/simt.h"

namespace trifold::kernels::cuda {

/// The stream that a null one stands for. Not CUDA's default stream, which can't be captured as a
/// graph and lets no stream run beside it.
cudaStream_t main_stream(Device device);

inline cudaStream_t stream_of(Device device, DeviceStream* stream) {
  return stream == nullptr ? main_stream(device) : reinterpret_cast<cudaStream_t>(stream);
}
inline cudaStream_t stream_of(const Exec& ex) { return stream_of(ex.device, ex.stream); }

/// Throws DeviceError with the text of `call` unless it succeeded.
void check_call(cudaError_t status, const char* call);
#define TRIFOLD_CUDA_CHECK(call) ::trifold::kernels::cuda::check_call((call), #call)

/// Throws DeviceError with the kernel's name unless its launch succeeded. With TRIFOLD_CUDA_SYNC=1
/// in the environment it also waits for the kernel, so that a fault is reported with the name of
/// the kernel that has it, and not by a later call.
void check_launch(cudaError_t status, const Exec& ex, const char* kernel_name);

/// While launches are timed (launch_times.h), an event before the launch, which end_launch takes,
/// else null.
cudaEvent_t begin_launch(const Exec& ex);
void end_launch(const Exec& ex, const char* kernel_name, cudaEvent_t begin);

/// Launches `kernel` on ex.stream with so much dynamic shared memory, and checks it.
template <class... Parameters, class... Args>
void launch_with(std::int64_t shared_bytes, const Exec& ex, const char* kernel_name,
                 void (*kernel)(Parameters...), dim3 blocks, dim3 threads, Args&&... args) {
  const cudaEvent_t begin = begin_launch(ex);
  check_launch(simt::launch(kernel, blocks, threads, static_cast<std::size_t>(shared_bytes),
                            stream_of(ex), std::forward<Args>(args)...),
               ex, kernel_name);
  end_launch(ex, kernel_name, begin);
}

/// The same with static shared memory alone.
template <class... Parameters, class... Args>
void launch(const Exec& ex, const char* kernel_name, void (*kernel)(Parameters...), dim3 blocks,
            dim3 threads, Args&&... args) {
  launch_with(0, ex, kernel_name, kernel, blocks, threads, std::forward<Args>(args)...);
}

}  // namespace trifold::kernels::cuda
