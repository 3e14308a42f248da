#include "pruning/channels.h"

#include <algorithm>
#include <numeric>

#include "kernels/error.h"
#include "nn/overloaded.h"

namespace trifold::pruning {
namespace {

using nn::NodeId;

// Disjoint sets of the channels that nodes make; the oldest channel represents its set.
class Atoms {
 public:
  std::int64_t make(NodeId home) {
    parent_.push_back(std::ssize(parent_));
    home_.push_back(home);
    return parent_.back();
  }
  std::int64_t find(std::int64_t atom) {
    while (parent_[index(atom)] != atom) {
      parent_[index(atom)] = parent_[index(parent_[index(atom)])];
      atom = parent_[index(atom)];
    }
    return atom;
  }
  void tie(std::int64_t a, std::int64_t b) {
    if (a < 0 || b < 0) return;
    const auto [low, high] = std::minmax(find(a), find(b));
    parent_[index(high)] = low;
  }
  NodeId home(std::int64_t atom) const { return home_[index(atom)]; }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }
  std::vector<std::int64_t> parent_;
  std::vector<NodeId> home_;
};

using AtomLists = std::vector<std::vector<std::int64_t>>;

// The channels of one node, after those of its inputs are known.
std::vector<std::int64_t> atoms_of(const nn::Graph& graph, NodeId id, const AtomLists& known,
                                   Atoms& atoms) {
  const nn::Node& node = graph.node(id);
  const auto input = [&](std::size_t i) -> const std::vector<std::int64_t>& {
    return known[static_cast<std::size_t>(node.inputs[i])];
  };
  const auto fresh = [&](std::int64_t count) {
    std::vector<std::int64_t> list(static_cast<std::size_t>(count));
    std::ranges::generate(list, [&] { return atoms.make(id); });
    return list;
  };
  const auto fixed = [](std::int64_t count) {
    return std::vector<std::int64_t>(static_cast<std::size_t>(count), -1);
  };
  return std::visit(
      nn::Overloaded{[&](const nn::Input& op) { return fixed(op.channels); },
                     [&](const nn::Linear& op) { return fixed(op.outputs); },
                     [&](const nn::Conv2d& op) { return fresh(op.filters); },
                     [&](const nn::ChannelGather& op) { return fresh(std::ssize(op.source)); },
                     [&](const nn::Concat&) {
                       std::vector<std::int64_t> list;
                       for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                         list.insert(list.end(), input(i).begin(), input(i).end());
                       }
                       return list;
                     },
                     [&](const auto&) {
                       // A residual, or the second input of a sum, has to keep step with the first.
                       for (std::size_t i = 1; i < node.inputs.size(); ++i) {
                         for (std::size_t c = 0; c < input(0).size(); ++c) {
                           atoms.tie(input(0)[c], input(i)[c]);
                         }
                       }
                       return input(0);
                     }},
      node.op);
}

}  // namespace

Coupling couple_channels(const nn::Graph& graph, WidthMode mode) {
  Atoms atoms;
  AtomLists lists;
  for (NodeId id = 0; id < graph.size(); ++id) lists.push_back(atoms_of(graph, id, lists, atoms));

  Coupling coupling;
  std::vector<std::int64_t> class_of_atom;
  for (NodeId id = 0; id < graph.size(); ++id) {
    std::vector<std::int64_t> classes;
    for (std::int64_t atom : lists[static_cast<std::size_t>(id)]) {
      if (atom < 0) {
        classes.push_back(-1);
        continue;
      }
      const auto root = static_cast<std::size_t>(atoms.find(atom));
      if (root >= class_of_atom.size()) class_of_atom.resize(root + 1, -1);
      if (class_of_atom[root] < 0) {
        class_of_atom[root] = std::ssize(coupling.classes);
        coupling.classes.push_back({atoms.home(static_cast<std::int64_t>(root)), {}, true});
      }
      classes.push_back(class_of_atom[root]);
    }
    if (std::holds_alternative<nn::BatchNorm>(graph.node(id).op)) {
      for (std::size_t c = 0; c < classes.size(); ++c) {
        if (classes[c] < 0) continue;
        coupling.classes[static_cast<std::size_t>(classes[c])].members.push_back(
            {id, static_cast<std::int64_t>(c)});
      }
    }
    coupling.of_node.push_back(std::move(classes));
  }

  // Without a scale there is nothing to judge a channel by.
  for (ChannelClass& c : coupling.classes) c.prunable = !c.members.empty();
  if (mode == WidthMode::inner) {
    for (const nn::Block& block : graph.blocks) {
      for (NodeId boundary : {block.input, block.output}) {
        for (std::int64_t c : coupling.of_node[static_cast<std::size_t>(boundary)]) {
          if (c >= 0) coupling.classes[static_cast<std::size_t>(c)].prunable = false;
        }
      }
    }
  }
  return coupling;
}

nn::Graph prepare(const nn::Graph& graph, WidthMode mode) {
  if (mode == WidthMode::stream) return graph;
  std::vector<std::int64_t> readers(graph.nodes.size(), 0);
  for (const nn::Node& node : graph.nodes) {
    for (NodeId input : node.inputs) ++readers[static_cast<std::size_t>(input)];
  }
  const std::vector<std::int64_t> channels = nn::infer_channels(graph);
  nn::Graph prepared;
  std::vector<NodeId> place;  // of each old node in the new graph
  for (const nn::Node& node : graph.nodes) {
    std::vector<NodeId> inputs;
    for (NodeId input : node.inputs) inputs.push_back(place[static_cast<std::size_t>(input)]);
    if (std::holds_alternative<nn::BatchNorm>(node.op) && inputs.size() == 1) {
      const NodeId read = node.inputs[0];
      const bool stream = std::holds_alternative<nn::Concat>(graph.node(read).op) ||
                          readers[static_cast<std::size_t>(read)] > 1;
      if (stream) {
        std::vector<std::int32_t> all(
            static_cast<std::size_t>(channels[static_cast<std::size_t>(read)]));
        std::iota(all.begin(), all.end(), 0);
        inputs[0] =
            prepared.add(node.name + ".select", nn::ChannelGather{std::move(all), 1}, inputs);
      }
    }
    place.push_back(prepared.add(node.name, node.op, std::move(inputs)));
  }
  for (nn::Block block : graph.blocks) {
    block.input = place[static_cast<std::size_t>(block.input)];
    block.output = place[static_cast<std::size_t>(block.output)];
    prepared.blocks.push_back(std::move(block));
  }
  return prepared;
}

}  // namespace trifold::pruning
