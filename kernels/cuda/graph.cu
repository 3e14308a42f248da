/// Graphs, captured from the main stream.
#include "kernels/cuda/check.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {

bool has_graphs(Device) { return true; }

// Other threads may go on using the device: what they do is no part of the graph.
void begin_recording(Device device) {
  TRIFOLD_CUDA_CHECK(cudaStreamBeginCapture(main_stream(device), cudaStreamCaptureModeThreadLocal));
}

void* end_recording(Device device) {
  cudaGraph_t graph = nullptr;
  TRIFOLD_CUDA_CHECK(cudaStreamEndCapture(main_stream(device), &graph));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiateWithFlags(&executable, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));  // the executable is a copy
  check_call(status, "cudaGraphInstantiate");
  return executable;
}

void launch_graph(Device device, void* graph) {
  TRIFOLD_CUDA_CHECK(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), main_stream(device)));
}

void destroy_graph(Device device, void* graph) noexcept {
  // What fails here has failed, and was reported, before.
  static_cast<void>(cudaStreamSynchronize(main_stream(device)));
  static_cast<void>(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)));
}

}  // namespace trifold::kernels::cuda
