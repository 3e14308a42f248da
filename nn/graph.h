/// A network's structure as data: a graph of ops that pruning can cut and a file can carry.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/ops.h"

namespace trifold::nn {

/// Index of a node in its graph.
using NodeId = std::int64_t;

/// One op. `name` is unique and is the prefix of the node's parameters ("layer1.0.conv1" owns
/// "layer1.0.conv1.weight"). Inputs come before the node in the graph.
struct Node {
  std::string name;
  Op op;
  std::vector<NodeId> inputs;
  bool operator==(const Node&) const = default;
};

/// A unit of depth: the part of the graph between `input` and `output`. Skipping it means that what
/// reads `output` reads `input` instead, which is possible where `skippable` holds (an identity
/// shortcut, or a dense layer, whose output is its input and some new channels).
struct Block {
  std::string name;
  std::int64_t stage;
  NodeId input, output;
  bool skippable;
  bool operator==(const Block&) const = default;
};

/// Nodes in topological order: the first is the Input, the last gives the logits.
struct Graph {
  std::vector<Node> nodes;
  std::vector<Block> blocks;

  /// Appends a node and returns its id.
  NodeId add(std::string name, Op op, std::vector<NodeId> inputs);
  const Node& node(NodeId id) const { return nodes[static_cast<std::size_t>(id)]; }
  Node& node(NodeId id) { return nodes[static_cast<std::size_t>(id)]; }
  NodeId size() const { return static_cast<NodeId>(nodes.size()); }
  NodeId output() const { return size() - 1; }
  std::int64_t input_channels() const { return std::get<Input>(nodes.front().op).channels; }
  /// By node: the nodes that read its result, in the order of the graph, as often as they do.
  std::vector<std::vector<NodeId>> readers() const;
  bool operator==(const Graph&) const = default;
};

/// What every node yields for an image of side x side.
/// Errors    ShapeError naming the node: extents that don't fit, a side too small for the network.
std::vector<Extent> infer_extents(const Graph& graph, std::int64_t side);

/// The channels of every node, which don't depend on the side of the image.
std::vector<std::int64_t> infer_channels(const Graph& graph);

/// Checks the graph's form: one Input at the front, unique names, inputs that come earlier and in
/// the number that the op takes, attributes in range, channels that fit, blocks that refer to
/// nodes.
/// Errors    ShapeError naming the node and what is wrong.
void validate(const Graph& graph);

}  // namespace trifold::nn
