#include "pruning/cost.h"

#include "nn/network.h"

namespace trifold::pruning {
namespace {

std::int64_t trainable(const nn::OpParameters& parameters) {
  std::int64_t count = 0;
  for (const nn::OpParameter& p : parameters) count += is_trainable(p.role) ? p.shape.size() : 0;
  return count;
}

}  // namespace

Cost count_cost(const nn::Graph& graph, std::int64_t side) {
  const std::vector<nn::Extent> extents = nn::infer_extents(graph, side);
  Cost cost;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    const nn::Node& node = graph.nodes[i];
    NodeCost own{.activations = extents[i].size()};
    if (!node.inputs.empty()) {
      const nn::Extent& in = extents[static_cast<std::size_t>(node.inputs.front())];
      own.macs = std::visit([&](const auto& op) { return op.macs(in, extents[i]); }, node.op);
      own.params = trainable(nn::parameters(node.op, in.c));
    }
    cost.macs += own.macs;
    cost.params += own.params;
    cost.activations += own.activations;
    cost.nodes.push_back(own);
  }
  return cost;
}

double paper_cost(double depth, double width, double resolution) {
  return depth * width * width * resolution * resolution;
}

}  // namespace trifold::pruning
