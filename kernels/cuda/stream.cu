/// Streams, events and page-locked memory.
#include "kernels/cuda/check.cuh"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/error_types.h"

namespace trifold::kernels::cuda {
namespace {

cudaEvent_t as_event(DeviceEvent* event) { return reinterpret_cast<cudaEvent_t>(event); }

}  // namespace

DeviceStream* create_stream(Device) {
  cudaStream_t stream = nullptr;
  TRIFOLD_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return reinterpret_cast<DeviceStream*>(stream);
}

// What fails here has failed, and was reported, before.
void destroy_stream(Device, DeviceStream* stream) noexcept {
  const auto own = reinterpret_cast<cudaStream_t>(stream);
  static_cast<void>(cudaStreamSynchronize(own));
  static_cast<void>(cudaStreamDestroy(own));
}

DeviceEvent* create_event(Device) {
  cudaEvent_t event = nullptr;
  TRIFOLD_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return reinterpret_cast<DeviceEvent*>(event);
}

void destroy_event(Device, DeviceEvent* event) noexcept {
  static_cast<void>(cudaEventDestroy(as_event(event)));
}

void record_event(Device device, DeviceEvent* event, DeviceStream* stream) {
  TRIFOLD_CUDA_CHECK(cudaEventRecord(as_event(event), stream_of(device, stream)));
}

void wait_for_event(Device device, DeviceStream* stream, DeviceEvent* event) {
  TRIFOLD_CUDA_CHECK(cudaStreamWaitEvent(stream_of(device, stream), as_event(event), 0));
}

void synchronize_event(Device, DeviceEvent* event) {
  TRIFOLD_CUDA_CHECK(cudaEventSynchronize(as_event(event)));
}

Block allocate_staging(Device, std::int64_t bytes) {
  void* data = nullptr;
  TRIFOLD_CUDA_CHECK(cudaHostAlloc(&data, static_cast<std::size_t>(bytes), cudaHostAllocDefault));
  return {data, bytes, bytes};
}

void release_staging(Device, const Block& block) noexcept {
  static_cast<void>(cudaFreeHost(block.data));
}

void copy_from_staging(Device device, void* to, const void* from, std::int64_t bytes,
                       DeviceStream* stream) {
  TRIFOLD_CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes),
                                     cudaMemcpyHostToDevice, stream_of(device, stream)));
}

}  // namespace trifold::kernels::cuda
