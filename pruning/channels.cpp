#include "pruning/channels.h"

#include <algorithm>
#include <numeric>

namespace trifold::pruning {
namespace {

// Sets of equivalent items; the representative of a set is its least item.
class DisjointSets {
 public:
  std::int64_t add() {
    parent_.push_back(static_cast<std::int64_t>(parent_.size()));
    return parent_.back();
  }
  std::int64_t find(std::int64_t item) {
    while (parent(item) != item) item = parent(item) = parent(parent(item));
    return item;
  }
  void unite(std::int64_t a, std::int64_t b) {
    a = find(a);
    b = find(b);
    parent(std::max(a, b)) = std::min(a, b);
  }

 private:
  std::int64_t& parent(std::int64_t item) { return parent_[static_cast<std::size_t>(item)]; }

  std::vector<std::int64_t> parent_;
};

// Atoms are the channels before any are tied: those of the image share the first one, which stands
// for `unprunable`, and which the network's outputs are tied to.
class Tracer {
 public:
  explicit Tracer(const nn::Graph& graph) : graph_(graph) {
    fixed_ = sets_.add();
    const std::vector<std::int64_t> channels = nn::infer_channels(graph);
    for (std::size_t i = 0; i < channels.size(); ++i) {
      atoms_.push_back(trace(graph.nodes[i], channels[i]));
    }
    for (std::int64_t atom : atoms_.back()) sets_.unite(fixed_, atom);
  }

  Coupling coupling() {
    Coupling result;
    std::vector<ClassId> class_of_atom;
    for (nn::NodeId id = 0; id < graph_.size(); ++id) {
      std::vector<ClassId>& row = result.of.emplace_back();
      for (std::int64_t atom : atoms_[static_cast<std::size_t>(id)]) {
        const auto root = static_cast<std::size_t>(sets_.find(atom));
        if (root >= class_of_atom.size()) class_of_atom.resize(root + 1, unprunable);
        ClassId& known = class_of_atom[root];
        if (known == unprunable && static_cast<std::int64_t>(root) != sets_.find(fixed_)) {
          known = static_cast<ClassId>(result.classes.size());
          result.classes.emplace_back();
        }
        row.push_back(known);
        if (known != unprunable) {
          enter(result.classes[static_cast<std::size_t>(known)], id, std::ssize(row) - 1);
        }
      }
    }
    return result;
  }

 private:
  std::vector<std::int64_t> fresh(std::int64_t count) {
    std::vector<std::int64_t> atoms(static_cast<std::size_t>(count));
    std::ranges::generate(atoms, [this] { return sets_.add(); });
    return atoms;
  }

  std::vector<std::int64_t> fixed(std::int64_t count) const {
    return std::vector<std::int64_t>(static_cast<std::size_t>(count), fixed_);
  }

  std::vector<std::int64_t> trace(const nn::Node& node, std::int64_t channels) {
    const auto input = [&](std::size_t i) -> const std::vector<std::int64_t>& {
      return atoms_[static_cast<std::size_t>(node.inputs[i])];
    };
    switch (channel_flow(node.op)) {
      case nn::ChannelFlow::made:
        return fresh(channels);
      case nn::ChannelFlow::passed:
        for (std::size_t i = 1; i < node.inputs.size(); ++i) {
          for (std::size_t c = 0; c < input(0).size(); ++c) sets_.unite(input(0)[c], input(i)[c]);
        }
        return input(0);
      case nn::ChannelFlow::joined: {
        std::vector<std::int64_t> joined;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
          joined.insert(joined.end(), input(i).begin(), input(i).end());
        }
        return joined;
      }
      case nn::ChannelFlow::spread: {
        std::vector<std::int64_t> spread;
        for (std::int64_t atom : input(0)) {
          spread.insert(spread.end(), static_cast<std::size_t>(channels) / input(0).size(), atom);
        }
        return spread;
      }
      case nn::ChannelFlow::grouped: {
        const std::int64_t groups = std::get<nn::GroupedConv2d>(node.op).groups;
        return grouped(input(0), groups, channels);
      }
      case nn::ChannelFlow::fixed:
        break;
    }
    return fixed(channels);
  }

  // Ties the channels of each group, and yields what is made of them.
  std::vector<std::int64_t> grouped(const std::vector<std::int64_t>& in, std::int64_t groups,
                                    std::int64_t channels) {
    const auto count = static_cast<std::size_t>(groups), each = in.size() / count;
    std::vector<std::int64_t> made;
    for (std::size_t group = 0; group < count; ++group) {
      const std::int64_t first = in[group * each];
      for (std::size_t i = 1; i < each; ++i) sets_.unite(first, in[group * each + i]);
      made.insert(made.end(), static_cast<std::size_t>(channels) / count, first);
    }
    return made;
  }

  void enter(ChannelClass& channels, nn::NodeId id, std::int64_t channel) const {
    const nn::Op& op = graph_.node(id).op;
    if (channels.nodes.empty() || channels.nodes.back() != id) channels.nodes.push_back(id);
    if (std::holds_alternative<nn::BatchNorm>(op)) channels.batch_norms.push_back({id, channel});
    if (channel_flow(op) == nn::ChannelFlow::made) channels.producers.push_back({id, channel});
  }

  const nn::Graph& graph_;
  DisjointSets sets_;
  std::int64_t fixed_ = 0;
  std::vector<std::vector<std::int64_t>> atoms_;
};

}  // namespace

bool ChannelClass::is_selection(const nn::Graph& graph) const {
  return producers.size() == 1 &&
         std::holds_alternative<nn::ChannelGather>(graph.node(producers[0].node).op);
}

Coupling find_coupling(const nn::Graph& graph) { return Tracer(graph).coupling(); }

}  // namespace trifold::pruning
