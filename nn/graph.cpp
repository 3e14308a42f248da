#include "nn/graph.h"

#include <algorithm>
#include <set>

#include "kernels/runtime/error.h"
#include "nn/overloaded.h"

namespace trifold::nn {
namespace {

// Far above any real network, and low enough that products of a few of them can't overflow.
constexpr std::int64_t max_extent = 1 << 20;

void require_node(bool condition, const Node& node, const std::string& problem) {
  require<ShapeError>(condition, "node '{}' ({}): {}", node.name, op_name(node.op), problem);
}

bool in_range(std::int64_t value, std::int64_t low) { return value >= low && value <= max_extent; }

void check_attributes(const Node& node) {
  const bool ok = std::visit(
      Overloaded{[](const Input& op) { return in_range(op.channels, 1); },
                 [](const Conv2d& op) {
                   return in_range(op.filters, 1) && in_range(op.window, 1) &&
                          in_range(op.stride, 1) && in_range(op.pad, 0) && op.pad < op.window;
                 },
                 [](const BatchNorm& op) { return op.eps > 0.0f; },
                 [](const ChannelGather& op) {
                   return in_range(op.stride, 1) && in_range(std::ssize(op.source), 1);
                 },
                 [](const Pool& op) {
                   return in_range(op.window, 1) && in_range(op.stride, 1) && in_range(op.pad, 0) &&
                          2 * op.pad <= op.window;
                 },
                 [](const Linear& op) { return in_range(op.outputs, 1); },
                 [](const auto&) { return true; }},
      node.op);
  require_node(ok, node, "an attribute is out of range");
}

void check_input_count(const Node& node) {
  const std::size_t n = node.inputs.size();
  const bool ok = std::visit(
      Overloaded{[n](const Input&) { return n == 0; },
                 [n](const BatchNorm&) { return n == 1 || n == 2; },
                 [n](const Add&) { return n == 2; }, [n](const Concat&) { return n >= 1; },
                 [n](const auto&) { return n == 1; }},
      node.op);
  require_node(ok, node, fmt::format("it can't take {} inputs", n));
}

std::int64_t channels_of(const Node& node, const std::vector<std::int64_t>& channels) {
  const auto input = [&](std::size_t i) {
    return channels[static_cast<std::size_t>(node.inputs[i])];
  };
  return std::visit(
      Overloaded{[](const Input& op) { return op.channels; },
                 [](const Conv2d& op) { return op.filters; },
                 [](const Linear& op) { return op.outputs; },
                 [&](const ChannelGather& op) {
                   for (std::int32_t s : op.source) {
                     require_node(s >= -1 && s < input(0), node,
                                  fmt::format("source channel {} of {}", s, input(0)));
                   }
                   return static_cast<std::int64_t>(std::ssize(op.source));
                 },
                 [&](const Concat&) {
                   std::int64_t sum = 0;
                   for (std::size_t i = 0; i < node.inputs.size(); ++i) sum += input(i);
                   require_node(in_range(sum, 1), node, "too many channels");
                   return sum;
                 },
                 [&](const auto&) {
                   for (std::size_t i = 1; i < node.inputs.size(); ++i) {
                     require_node(input(i) == input(0), node,
                                  fmt::format("inputs of {} and {} channels", input(0), input(i)));
                   }
                   return input(0);
                 }},
      node.op);
}

Extent extent_of(const Node& node, const std::vector<Extent>& extents, std::int64_t side,
                 std::int64_t channels) {
  if (std::holds_alternative<Input>(node.op)) return {side, side, channels};
  const Extent& in = extents[static_cast<std::size_t>(node.inputs.front())];
  const auto windowed = [&](std::int64_t window, std::int64_t stride, std::int64_t pad) {
    const std::int64_t h = in.h + 2 * pad - window, w = in.w + 2 * pad - window;
    require_node(
        h >= 0 && w >= 0, node,
        fmt::format("an input of {} x {} is smaller than the window; use a larger resolution", in.h,
                    in.w));
    return Extent{h / stride + 1, w / stride + 1, channels};
  };
  return std::visit(
      Overloaded{[&](const Conv2d& op) { return windowed(op.window, op.stride, op.pad); },
                 [&](const Pool& op) { return windowed(op.window, op.stride, op.pad); },
                 [&](const ChannelGather& op) {
                   return Extent{(in.h + op.stride - 1) / op.stride,
                                 (in.w + op.stride - 1) / op.stride, channels};
                 },
                 [&](const GlobalAvgPool&) {
                   return Extent{1, 1, channels};
                 },
                 [&](const Linear&) {
                   require_node(in.h == 1 && in.w == 1, node, "its input is not pooled");
                   return Extent{1, 1, channels};
                 },
                 [&](const auto&) {
                   for (NodeId id : node.inputs) {
                     const Extent& other = extents[static_cast<std::size_t>(id)];
                     require_node(other.h == in.h && other.w == in.w, node,
                                  fmt::format("inputs of {} x {} and {} x {} pixels", in.h, in.w,
                                              other.h, other.w));
                   }
                   return Extent{in.h, in.w, channels};
                 }},
      node.op);
}

}  // namespace

const char* op_name(const Op& op) {
  return std::visit(
      Overloaded{[](const Input&) { return "input"; }, [](const Conv2d&) { return "conv2d"; },
                 [](const BatchNorm&) { return "batch_norm"; }, [](const Relu&) { return "relu"; },
                 [](const Add&) { return "add"; }, [](const Concat&) { return "concat"; },
                 [](const ChannelGather&) { return "channel_gather"; },
                 [](const Pool& p) { return p.kind == PoolKind::max ? "max_pool" : "avg_pool"; },
                 [](const GlobalAvgPool&) { return "global_avg_pool"; },
                 [](const Linear&) { return "linear"; }},
      op);
}

NodeId Graph::add(std::string name, Op op, std::vector<NodeId> inputs) {
  nodes.push_back({std::move(name), std::move(op), std::move(inputs)});
  return output();
}

std::vector<std::vector<NodeId>> Graph::readers() const {
  std::vector<std::vector<NodeId>> readers(nodes.size());
  for (NodeId id = 0; id < size(); ++id) {
    for (NodeId input : node(id).inputs) readers[static_cast<std::size_t>(input)].push_back(id);
  }
  return readers;
}

std::vector<std::int64_t> infer_channels(const Graph& graph) {
  std::vector<std::int64_t> channels;
  for (const Node& node : graph.nodes) channels.push_back(channels_of(node, channels));
  return channels;
}

std::vector<Extent> infer_extents(const Graph& graph, std::int64_t side) {
  require<ShapeError>(in_range(side, 1), "an image side of {} pixels", side);
  const std::vector<std::int64_t> channels = infer_channels(graph);
  std::vector<Extent> extents;
  for (const Node& node : graph.nodes) {
    extents.push_back(extent_of(node, extents, side, channels[extents.size()]));
  }
  return extents;
}

void validate(const Graph& graph) {
  require<ShapeError>(!graph.nodes.empty() && std::holds_alternative<Input>(graph.nodes[0].op),
                      "a graph starts with its input node");
  std::set<std::string> names;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    require_node(names.insert(node.name).second, node, "the name occurs twice");
    require_node(id == 0 || !std::holds_alternative<Input>(node.op), node, "a second input node");
    check_input_count(node);
    check_attributes(node);
    for (NodeId input : node.inputs) {
      require_node(input >= 0 && input < id, node,
                   fmt::format("input {} does not come before it", input));
    }
  }
  infer_channels(graph);
  for (const Block& block : graph.blocks) {
    require<ShapeError>(block.input >= 0 && block.input < block.output &&
                            block.output < graph.size() && block.stage >= 0,
                        "block '{}' from node {} to node {} of {}", block.name, block.input,
                        block.output, graph.size());
  }
}

}  // namespace trifold::nn
