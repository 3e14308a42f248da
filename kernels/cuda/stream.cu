/// Streams, events and page-locked memory.
#include "kernels/cuda/check.cuh"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/error_types.h"

namespace trifold::kernels::cuda {
namespace {

cudaEvent_t as_event(void* event) { return static_cast<cudaEvent_t>(event); }

}  // namespace

void* create_stream(Device) {
  cudaStream_t stream = nullptr;
  TRIFOLD_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

// What fails here has failed, and was reported, before.
void destroy_stream(Device, void* stream) noexcept {
  static_cast<void>(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)));
  static_cast<void>(cudaStreamDestroy(static_cast<cudaStream_t>(stream)));
}

void* create_event(Device) {
  cudaEvent_t event = nullptr;
  TRIFOLD_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

void destroy_event(Device, void* event) noexcept {
  static_cast<void>(cudaEventDestroy(as_event(event)));
}

void record_event(Device device, void* event, void* stream) {
  TRIFOLD_CUDA_CHECK(cudaEventRecord(as_event(event), stream_of(device, stream)));
}

void wait_for_event(Device device, void* stream, void* event) {
  TRIFOLD_CUDA_CHECK(cudaStreamWaitEvent(stream_of(device, stream), as_event(event), 0));
}

void synchronize_event(Device, void* event) {
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
                       void* stream) {
  TRIFOLD_CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes),
                                     cudaMemcpyHostToDevice, stream_of(device, stream)));
}

}  // namespace trifold::kernels::cuda
