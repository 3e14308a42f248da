/// The runtime API's graphs: a stream that is captured keeps its work instead of doing it.
#include <utility>

#include "kernels/simt/streams.h"

namespace simt {
namespace {

Stream* captured = nullptr;  // one at a time
bool spoilt = false;

using GraphHandle = std::shared_ptr<Graph>;

}  // namespace

bool spoils_capture() {
  if (captured != nullptr) spoilt = true;
  return captured != nullptr;
}

}  // namespace simt

using simt::result;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const auto lock = simt::lock_runtime();
  if (stream == nullptr) return result(cudaErrorStreamCaptureUnsupported);
  if (simt::captured != nullptr) return result(cudaErrorInvalidValue);
  simt::captured = &simt::stream_of(stream);
  simt::captured->capture = std::make_shared<simt::Graph>();
  simt::spoilt = false;
  return result(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const auto lock = simt::lock_runtime();
  *graph = nullptr;
  simt::Stream& s = simt::stream_of(stream);
  if (s.capture == nullptr) return result(cudaErrorInvalidValue);
  simt::GraphHandle work = std::exchange(s.capture, nullptr);
  simt::captured = nullptr;
  if (simt::spoilt) return result(cudaErrorStreamCaptureInvalidated);
  *graph = reinterpret_cast<cudaGraph_t>(new simt::GraphHandle(std::move(work)));
  return result(cudaSuccess);
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  const auto lock = simt::lock_runtime();
  *executable = reinterpret_cast<cudaGraphExec_t>(
      new simt::GraphHandle(*reinterpret_cast<simt::GraphHandle*>(graph)));
  return result(cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const auto lock = simt::lock_runtime();
  const simt::GraphHandle graph = *reinterpret_cast<simt::GraphHandle*>(executable);
  simt::push(simt::stream_of(stream), [graph] {
    for (const auto& work : graph->work) work();
  });
  return result(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const auto lock = simt::lock_runtime();
  delete reinterpret_cast<simt::GraphHandle*>(graph);
  return result(cudaSuccess);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const auto lock = simt::lock_runtime();
  delete reinterpret_cast<simt::GraphHandle*>(executable);
  return result(cudaSuccess);
}
