#include "pruning/cost.h"

namespace trifold::pruning {

Cost count_cost(const nn::Graph& graph, std::int64_t side) {
  const std::vector<nn::Extent> extents = nn::infer_extents(graph, side);
  Cost cost;
  for (nn::NodeId id = 0; id < graph.size(); ++id) {
    const nn::Node& node = graph.node(id);
    const nn::Extent& out = extents[static_cast<std::size_t>(id)];
    NodeCost n{.activations = out.size()};
    if (!node.inputs.empty()) {
      const std::int64_t in = extents[static_cast<std::size_t>(node.inputs[0])].c;
      if (const auto* conv = std::get_if<nn::Conv2d>(&node.op)) {
        const std::int64_t weights = conv->window * conv->window * in * conv->filters;
        n.macs = weights * out.h * out.w;
        n.params = weights + (conv->bias ? conv->filters : 0);
      } else if (const auto* linear = std::get_if<nn::Linear>(&node.op)) {
        n.macs = in * linear->outputs;
        n.params = n.macs + (linear->bias ? linear->outputs : 0);
      } else if (std::holds_alternative<nn::BatchNorm>(node.op)) {
        n.params = 2 * in;
      }
    }
    cost.macs += n.macs;
    cost.params += n.params;
    cost.activations += n.activations;
    cost.nodes.push_back(n);
  }
  return cost;
}

}  // namespace trifold::pruning
