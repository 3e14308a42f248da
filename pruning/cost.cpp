#include "pruning/cost.h"

namespace trifold::pruning {
namespace {

using nn::Conv2d;
using nn::Linear;

std::int64_t macs_of(const nn::Node& node, const nn::Extent& in, const nn::Extent& out) {
  if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
    return out.size() * conv->window * conv->window * in.c;
  }
  return std::holds_alternative<Linear>(node.op) ? in.c * out.c : 0;
}

std::int64_t params_of(const nn::Node& node, std::int64_t in, std::int64_t out) {
  if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
    return conv->window * conv->window * in * out + (conv->bias ? out : 0);
  }
  if (const auto* linear = std::get_if<Linear>(&node.op)) {
    return in * out + (linear->bias ? out : 0);
  }
  return std::holds_alternative<nn::BatchNorm>(node.op) ? 2 * out : 0;
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
      own.macs = macs_of(node, in, extents[i]);
      own.params = params_of(node, in.c, extents[i].c);
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
