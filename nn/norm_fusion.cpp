#include "nn/norm_fusion.h"

#include <algorithm>

namespace trifold::nn {

namespace {

/// See NormFusion::grows_into.
NodeId concat_grown_into(const Graph& graph, const NormFusion& fusion, NodeId id) {
  if (!std::holds_alternative<Concat>(graph.node(id).op)) return -1;
  NodeId next = -1;
  for (NodeId reader = id + 1; reader < graph.size(); ++reader) {
    const Node& node = graph.node(reader);
    const auto reads = std::ranges::count(node.inputs, id);
    if (reads == 0 || fusion.part_of_convolution[static_cast<std::size_t>(reader)]) continue;
    const bool grows =
        std::holds_alternative<Concat>(node.op) && node.inputs[0] == id && reads == 1 && next == -1;
    if (!grows) return -1;
    next = reader;
  }
  return next;
}

}  // namespace

NormFusion plan_norm_fusion(const Graph& graph) {
  std::vector<std::int64_t> readers(graph.nodes.size(), 0);
  for (const Node& node : graph.nodes) {
    for (NodeId input : node.inputs) ++readers[static_cast<std::size_t>(input)];
  }
  NormFusion fusion{std::vector<bool>(graph.nodes.size(), false),
                    std::vector<bool>(graph.nodes.size(), false),
                    std::vector<NodeId>(graph.nodes.size(), -1), infer_channels(graph)};
  // Backwards, so that what a Concat needs is known before its inputs are met.
  for (NodeId id = graph.output(); id >= 0; --id) {
    const Node& node = graph.node(id);
    if (std::holds_alternative<BatchNorm>(node.op)) {
      fusion.moments[static_cast<std::size_t>(node.inputs[0])] = true;
    } else if (std::holds_alternative<Concat>(node.op)) {
      if (!fusion.moments[static_cast<std::size_t>(id)]) continue;
      for (NodeId input : node.inputs) fusion.moments[static_cast<std::size_t>(input)] = true;
    } else if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
      const auto source = static_cast<std::size_t>(node.inputs[0]);
      const Node& norm = graph.nodes[source];
      if (!conv->bias && readers[source] == 1 && std::holds_alternative<BatchNorm>(norm.op) &&
          norm.inputs.size() == 1) {
        fusion.part_of_convolution[source] = true;
      }
    }
  }
  for (NodeId id = 0; id < graph.size(); ++id) {
    fusion.grows_into[static_cast<std::size_t>(id)] = concat_grown_into(graph, fusion, id);
  }
  return fusion;
}

}  // namespace trifold::nn
