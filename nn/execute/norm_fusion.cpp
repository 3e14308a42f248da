#include "nn/execute/norm_fusion.h"

#include <algorithm>

namespace trifold::nn {

namespace {

/// See NormFusion::in_place_successor.
NodeId in_place_successor_of(const Graph& graph, const NormFusion& fusion, NodeId id) {
  if (!std::holds_alternative<Concat>(graph.node(id).op)) return -1;
  NodeId next = -1;
  for (NodeId reader = id + 1; reader < graph.size(); ++reader) {
    const Node& node = graph.node(reader);
    const auto reads = std::ranges::count(node.inputs, id);
    if (reads == 0 || fusion.part_of_convolution[static_cast<std::size_t>(reader)]) continue;
    const bool goes_on =
        std::holds_alternative<Concat>(node.op) && node.inputs[0] == id && reads == 1 && next == -1;
    if (!goes_on) return -1;
    next = reader;
  }
  return next;
}

bool is_conv_without_bias(const Node& node) {
  const auto* conv = std::get_if<Conv2d>(&node.op);
  return conv != nullptr && !conv->bias;
}

}  // namespace

NormFusion plan_norm_fusion(const Graph& graph) {
  const std::size_t nodes = graph.nodes.size();
  const std::vector<std::vector<NodeId>> readers = graph.readers();
  NormFusion fusion{.part_of_convolution = std::vector<bool>(nodes, false),
                    .first_reader = std::vector<NodeId>(nodes, -1),
                    .norm_behind = std::vector<NodeId>(nodes, -1),
                    .statistics = std::vector<bool>(nodes, false),
                    .in_place_successor = std::vector<NodeId>(nodes, -1),
                    .channels = infer_channels(graph)};
  for (std::size_t id = 0; id < nodes; ++id) {
    const Node& node = graph.nodes[id];
    if (readers[id].empty()) continue;
    const Node& first = graph.node(readers[id][0]);
    if (std::holds_alternative<BatchNorm>(node.op) && is_conv_without_bias(first)) {
      fusion.first_reader[id] = readers[id][0];
      fusion.part_of_convolution[id] = readers[id].size() == 1 && node.inputs.size() == 1;
    }
    if (is_conv_without_bias(node) && readers[id].size() == 1 &&
        std::holds_alternative<BatchNorm>(first.op) && first.inputs[0] == static_cast<NodeId>(id)) {
      fusion.norm_behind[id] = readers[id][0];
    }
  }
  // Backwards, so that what a Concat needs is known before its inputs are met.
  for (NodeId id = graph.output(); id >= 0; --id) {
    const Node& node = graph.node(id);
    if (std::holds_alternative<BatchNorm>(node.op)) {
      fusion.statistics[static_cast<std::size_t>(node.inputs[0])] = true;
    } else if (std::holds_alternative<Concat>(node.op)) {
      if (!fusion.statistics[static_cast<std::size_t>(id)]) continue;
      for (NodeId input : node.inputs) fusion.statistics[static_cast<std::size_t>(input)] = true;
    }
  }
  for (NodeId id = 0; id < graph.size(); ++id) {
    fusion.in_place_successor[static_cast<std::size_t>(id)] =
        in_place_successor_of(graph, fusion, id);
  }
  return fusion;
}

}  // namespace trifold::nn
