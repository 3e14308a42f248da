#include "nn/graph.h"

#include <set>

#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

// Far above any real network; tables have a row for each stage, whether it has blocks or not.
constexpr std::int64_t max_stages = 1024;

void require_node(bool condition, const Node& node, const std::string& problem) {
  require<ShapeError>(condition, "node '{}' ({}): {}", node.name, op_name(node.op), problem);
}

// What the node's op answers; its errors name the node.
template <class Question>
auto ask(const Node& node, const Question& question) {
  try {
    return std::visit(question, node.op);
  } catch (const ShapeError& e) {
    throw ShapeError(fmt::format("node '{}' ({}): {}", node.name, op_name(node.op), e.what()));
  }
}

template <class T>
std::vector<T> inputs_of(const Node& node, const std::vector<T>& values) {
  std::vector<T> inputs;
  for (NodeId id : node.inputs) inputs.push_back(values[static_cast<std::size_t>(id)]);
  return inputs;
}

}  // namespace

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
  for (const Node& node : graph.nodes) {
    const std::vector<std::int64_t> in = inputs_of(node, channels);
    channels.push_back(ask(node, [&](const auto& op) { return op.output_channels(in); }));
  }
  return channels;
}

std::vector<Extent> infer_extents(const Graph& graph, std::int64_t side) {
  require<ShapeError>(side >= 1 && side <= max_extent, "an image side of {} pixels", side);
  const std::vector<std::int64_t> channels = infer_channels(graph);
  std::vector<Extent> extents;
  for (const Node& node : graph.nodes) {
    const std::int64_t c = channels[extents.size()];
    const std::vector<Extent> in =
        node.inputs.empty() ? std::vector{Extent{side, side, c}} : inputs_of(node, extents);
    extents.push_back(ask(node, [&](const auto& op) { return op.output_extent(in, c); }));
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
    const std::size_t n = node.inputs.size();
    const Arity arity = ask(node, [](const auto& op) { return op.arity; });
    require_node(n >= arity.least && n <= arity.most, node,
                 fmt::format("it can't take {} inputs", n));
    require_node(ask(node, [](const auto& op) { return op.is_valid(); }), node,
                 "an attribute is out of range");
    for (NodeId input : node.inputs) {
      require_node(input >= 0 && input < id, node,
                   fmt::format("input {} does not come before it", input));
    }
  }
  infer_channels(graph);
  for (const Block& block : graph.blocks) {
    require<ShapeError>(
        block.input >= 0 && block.input < block.output && block.output < graph.size(),
        "block '{}' from node {} to node {} of {}", block.name, block.input, block.output,
        graph.size());
    require<ShapeError>(block.stage >= 0 && block.stage < max_stages,
                        "block '{}' is in stage {}; there can be {} of them", block.name,
                        block.stage, max_stages);
  }
}

}  // namespace trifold::nn
