/// The runtime API's streams and events.
#include <chrono>

#include "kernels/simt/streams.h"

namespace {

double now_in_milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

simt::Event& event_of(cudaEvent_t handle) { return *reinterpret_cast<simt::Event*>(handle); }

}  // namespace

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const auto lock = simt::lock_runtime();
  *stream =
      reinterpret_cast<cudaStream_t>(simt::create_stream((flags & cudaStreamNonBlocking) == 0));
  return simt::result(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const auto lock = simt::lock_runtime();
  if (stream == nullptr) return simt::result(cudaErrorInvalidResourceHandle);
  simt::destroy_stream(simt::stream_of(stream));
  return simt::result(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const auto lock = simt::lock_runtime();
  if (simt::spoils_capture()) return simt::result(cudaErrorStreamCaptureUnsupported);
  simt::finish(simt::stream_of(stream).everything());
  return simt::result(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const auto lock = simt::lock_runtime();
  if (simt::spoils_capture()) return simt::result(cudaErrorStreamCaptureUnsupported);
  const simt::Prefix recorded = event_of(event).recorded;
  if (recorded.stream != nullptr) simt::push(simt::stream_of(stream), [] {}, {recorded});
  return simt::result(cudaSuccess);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  const auto lock = simt::lock_runtime();
  simt::push(simt::stream_of(stream), [=] { function(argument); });
  return simt::result(cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new simt::Event);
  return simt::result(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const auto lock = simt::lock_runtime();
  if (event_of(event).recorded.stream != nullptr) simt::finish(event_of(event).recorded);
  delete &event_of(event);
  return simt::result(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const auto lock = simt::lock_runtime();
  if (simt::spoils_capture()) return simt::result(cudaErrorStreamCaptureUnsupported);
  simt::Event& e = event_of(event);
  simt::Stream& s = simt::stream_of(stream);
  // The time is part of the record only once everything before it is done.
  simt::push(s, [&e] { e.milliseconds = now_in_milliseconds(); });
  e.recorded = s.everything();
  return simt::result(cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const auto lock = simt::lock_runtime();
  if (simt::spoils_capture()) return simt::result(cudaErrorStreamCaptureUnsupported);
  if (event_of(event).recorded.stream != nullptr) simt::finish(event_of(event).recorded);
  return simt::result(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const auto lock = simt::lock_runtime();
  const double from = event_of(start).milliseconds, to = event_of(end).milliseconds;
  if (from < 0 || to < 0) return simt::result(cudaErrorNotReady);
  *milliseconds = static_cast<float>(to - from);
  return simt::result(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize() {
  const auto lock = simt::lock_runtime();
  if (simt::spoils_capture()) return simt::result(cudaErrorStreamCaptureUnsupported);
  simt::finish_all_streams();
  return simt::result(cudaSuccess);
}
