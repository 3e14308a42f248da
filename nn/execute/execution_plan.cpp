#include "nn/execute/execution_plan.h"

#include <span>

namespace trifold::nn {

ExecutionPlan::ExecutionPlan(const Graph& graph, Device device)
    : readers(graph.readers()), fusion(plan_norm_fusion(graph)) {
  for (NodeId id = 0; id < graph.size(); ++id) {
    const std::vector<NodeId>& own = readers[static_cast<std::size_t>(id)];
    last_reader.push_back(own.empty() ? -1 : own.back());
    if (const auto* gather = std::get_if<ChannelGather>(&graph.node(id).op)) {
      gather_sources[id] =
          engine::Tensor::from({std::ssize(gather->source)}, std::span(gather->source), device);
    }
  }
}

}  // namespace trifold::nn
