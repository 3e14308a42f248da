#include "nn/onnx/blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

namespace trifold::nn {
namespace {

// All nodes that `from` depends on without passing `through`, itself among them, in any order.
std::vector<NodeId> between(const Graph& graph, NodeId through, NodeId from) {
  std::vector<bool> met(graph.nodes.size(), false);
  std::vector<NodeId> found, open = {from};
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    if (id == through || met[static_cast<std::size_t>(id)]) continue;
    met[static_cast<std::size_t>(id)] = true;
    found.push_back(id);
    for (NodeId in : graph.node(id).inputs) open.push_back(in);
  }
  return found;
}

// By node: the last node in front of it that every path from the image to it goes through. Since
// inputs come first, that is the last which those of all its inputs have in common.
class Dominators {
 public:
  explicit Dominators(const Graph& graph) {
    for (const Node& node : graph.nodes) {
      NodeId last = node.inputs.empty() ? 0 : node.inputs.front();
      for (NodeId in : node.inputs) last = common(last, in);
      in_front_.push_back(last);
    }
  }
  // The last node that every path to both goes through, which may be one of them.
  NodeId common(NodeId a, NodeId b) const {
    while (a != b) (a > b ? a : b) = in_front_[static_cast<std::size_t>(std::max(a, b))];
    return a;
  }

 private:
  std::vector<NodeId> in_front_;
};

bool is_activation(const Node& node) {
  return std::holds_alternative<Relu>(node.op) || std::holds_alternative<Relu6>(node.op) ||
         std::holds_alternative<Sigmoid>(node.op);
}

std::string common_name(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::string common;
  bool first = true;
  for (NodeId id : nodes) {
    const Op& op = graph.node(id).op;
    if (!is_convolution(op) && !std::holds_alternative<BatchNorm>(op)) continue;
    const std::string& name = graph.node(id).name;
    if (first) common = name;
    first = false;
    const auto [end, other] = std::ranges::mismatch(common, name);
    common.erase(end, common.end());
  }
  const std::size_t dot = common.find_last_of("./");
  return dot == std::string::npos ? "" : common.substr(0, dot);
}

}  // namespace

std::vector<Block> find_blocks(const Graph& graph, std::int64_t side) {
  const std::vector<Extent> extents = infer_extents(graph, side);
  const auto readers = graph.readers();
  const Dominators dominators(graph);
  std::vector<Block> blocks;
  std::set<std::string> names;
  std::int64_t stage = 0;
  for (NodeId id = 1; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const bool concat = std::holds_alternative<Concat>(node.op);
    if (node.inputs.size() != 2 || std::holds_alternative<ChannelScale>(node.op)) continue;
    const NodeId a = node.inputs[0], b = node.inputs[1];
    const NodeId input = dominators.common(a, b);
    if (input == 0 || a == b) continue;
    Block block{.name = {},
                .stage = stage,
                .input = input,
                .output = id,
                .skippable = concat ? input == a : input == a || input == b};
    if (concat && !block.skippable) continue;
    // The activation behind an add belongs to it.
    const auto& next = readers[static_cast<std::size_t>(id)];
    if (!concat && next.size() == 1 && is_activation(graph.node(next[0]))) block.output = next[0];
    const std::string name = common_name(graph, between(graph, input, id));
    block.name =
        !name.empty() && names.insert(name).second ? name : fmt::format("block{}", blocks.size());
    names.insert(block.name);
    if (!blocks.empty()) {
      const Extent &before = extents[static_cast<std::size_t>(blocks.back().output)],
                   &now = extents[static_cast<std::size_t>(block.output)];
      const bool same = before.h == now.h && before.w == now.w && (concat || before.c == now.c);
      block.stage = same ? stage : ++stage;
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace trifold::nn
