/// Graphs, captured from the main stream.
#include "kernels/cuda/check.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {

bool has_graphs(Device) { return true; }

// Other threads may go on using the device: what they do is no part of the graph.
void begin_capture(Device device) {
  TRIFOLD_CUDA_CHECK(cudaStreamBeginCapture(main_stream(device), cudaStreamCaptureModeThreadLocal));
}

DeviceGraph* end_capture(Device device) {
  cudaGraph_t graph = nullptr;
  TRIFOLD_CUDA_CHECK(cudaStreamEndCapture(main_stream(device), &graph));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiateWithFlags(&executable, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));  // the executable is a copy
  check_call(status, "cudaGraphInstantiate");
  return reinterpret_cast<DeviceGraph*>(executable);
}

void launch_graph(Device device, DeviceGraph* graph) {
  TRIFOLD_CUDA_CHECK(
      cudaGraphLaunch(reinterpret_cast<cudaGraphExec_t>(graph), main_stream(device)));
}

void destroy_graph(Device device, DeviceGraph* graph) noexcept {
  // What fails here has failed, and was reported, before.
  static_cast<void>(cudaStreamSynchronize(main_stream(device)));
  static_cast<void>(cudaGraphExecDestroy(reinterpret_cast<cudaGraphExec_t>(graph)));
}

}  // namespace trifold::kernels::cuda
