#include "pruning/surgery.h"

#include <algorithm>
#include <numeric>

#include "kernels/error.h"
#include "nn/overloaded.h"
#include "pruning/channels.h"

namespace trifold::pruning {
namespace {

using engine::Tensor;
using nn::NodeId;

using Channels = std::vector<std::int64_t>;  // original indices of the channels that stay

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

// Builds the cut graph node by node and remembers which channels of the original each node keeps.
class Surgeon {
 public:
  Surgeon(const nn::Graph& graph, const Coupling& coupling, const CutPlan& plan)
      : graph_(graph), coupling_(coupling), plan_(plan), channels_(nn::infer_channels(graph)) {
    follow_.resize(graph.nodes.size());
    std::iota(follow_.begin(), follow_.end(), NodeId{0});
    for (std::size_t i = 0; i < graph.blocks.size(); ++i) {
      if (keeps_block(i)) continue;
      const nn::Block& block = graph.blocks[i];
      require<ConfigError>(block.skippable, "block '{}' can't be removed: it changes the size",
                           block.name);
      follow_[index(block.output)] = block.input;
    }
  }

  nn::Graph operate() {
    mark_needed();
    kept_.resize(graph_.nodes.size());
    place_.assign(graph_.nodes.size(), -1);
    for (NodeId id = 0; id < graph_.size(); ++id) {
      if (follow_[index(id)] != id) {
        const NodeId source = follow_[index(id)];
        kept_[index(id)] = kept_[index(source)];
        place_[index(id)] = place_[index(source)];
      } else if (needed_[index(id)]) {
        kept_[index(id)] = keep_channels(id);
        place_[index(id)] = add(id);
      }
    }
    for (std::size_t i = 0; i < graph_.blocks.size(); ++i) {
      if (!keeps_block(i)) continue;
      nn::Block block = graph_.blocks[i];
      block.input = place_[index(block.input)];
      block.output = place_[index(block.output)];
      result_.blocks.push_back(std::move(block));
    }
    return std::move(result_);
  }

  bool keeps_block(std::size_t i) const { return plan_.keep_block.empty() || plan_.keep_block[i]; }
  const Channels& kept(NodeId id) const { return kept_[index(id)]; }

 private:
  // Where a node's input really comes from, once bypassed blocks are skipped.
  NodeId source(NodeId id) const {
    while (follow_[index(id)] != id) id = follow_[index(id)];
    return id;
  }

  void mark_needed() {
    needed_.assign(graph_.nodes.size(), false);
    needed_[0] = true;
    needed_[index(source(graph_.output()))] = true;
    for (NodeId id = graph_.output(); id >= 0; --id) {
      if (!needed_[index(id)]) continue;
      for (NodeId input : graph_.node(id).inputs) needed_[index(source(input))] = true;
    }
  }

  Channels keep_channels(NodeId id) const {
    const nn::Node& node = graph_.node(id);
    const auto by_class = [&] {
      Channels list;
      for (std::int64_t c = 0; c < channels_[index(id)]; ++c) {
        const std::int64_t of = coupling_.of_node[index(id)][index(c)];
        if (of < 0 || plan_.units.keep.empty() || plan_.units.keep[index(of)]) list.push_back(c);
      }
      require<ShapeError>(!list.empty(), "the cut leaves node '{}' no channel", node.name);
      return list;
    };
    const auto all = [&] {
      Channels list(index(channels_[index(id)]));
      std::iota(list.begin(), list.end(), std::int64_t{0});
      return list;
    };
    return std::visit(nn::Overloaded{[&](const nn::Input&) { return all(); },
                                     [&](const nn::Linear&) { return all(); },
                                     [&](const nn::Conv2d&) { return by_class(); },
                                     [&](const nn::ChannelGather&) { return by_class(); },
                                     [&](const nn::Concat&) {
                                       Channels list;
                                       std::int64_t offset = 0;
                                       for (NodeId input : node.inputs) {
                                         for (std::int64_t c : kept_[index(input)])
                                           list.push_back(offset + c);
                                         offset += channels_[index(input)];
                                       }
                                       return list;
                                     },
                                     [&](const auto&) { return kept_[index(node.inputs[0])]; }},
                      node.op);
  }

  NodeId add(NodeId id) {
    nn::Node node = graph_.node(id);
    for (NodeId& input : node.inputs) input = place_[index(input)];
    if (auto* conv = std::get_if<nn::Conv2d>(&node.op))
      conv->filters = std::ssize(kept_[index(id)]);
    if (auto* gather = std::get_if<nn::ChannelGather>(&node.op)) {
      *gather = remapped(*gather, kept_[index(id)], kept_[index(graph_.node(id).inputs[0])]);
      if (is_identity(*gather, std::ssize(kept_[index(graph_.node(id).inputs[0])]))) {
        return node.inputs[0];
      }
    }
    return result_.add(node.name, node.op, node.inputs);
  }

  static nn::ChannelGather remapped(const nn::ChannelGather& gather, const Channels& outputs,
                                    const Channels& inputs) {
    nn::ChannelGather result{{}, gather.stride};
    for (std::int64_t j : outputs) {
      const auto found = std::ranges::lower_bound(inputs, std::int64_t{gather.source[index(j)]});
      const bool there = found != inputs.end() && *found == gather.source[index(j)];
      result.source.push_back(there ? static_cast<std::int32_t>(found - inputs.begin()) : -1);
    }
    return result;
  }

  static bool is_identity(const nn::ChannelGather& gather, std::int64_t inputs) {
    if (gather.stride != 1 || std::ssize(gather.source) != inputs) return false;
    for (std::size_t j = 0; j < gather.source.size(); ++j) {
      if (gather.source[j] != static_cast<std::int32_t>(j)) return false;
    }
    return true;
  }

  const nn::Graph& graph_;
  const Coupling& coupling_;
  const CutPlan& plan_;
  std::vector<std::int64_t> channels_;
  std::vector<NodeId> follow_;  // a bypassed block's output follows its input, others themselves
  std::vector<bool> needed_;
  std::vector<Channels> kept_;
  std::vector<NodeId> place_;  // in the result
  nn::Graph result_;
};

// t (outer, in, out) -> (outer, |ins|, |outs|): the chosen entries of the last two dimensions.
Tensor sliced(const Tensor& t, std::int64_t in, std::int64_t out, const Channels& ins,
              const Channels& outs, engine::Shape shape) {
  const Tensor host = t.to(Device{});
  Tensor result = Tensor::empty(std::move(shape));
  const std::int64_t outer = host.size() / (in * out);
  float* to = result.data();
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i : ins) {
      for (std::int64_t j : outs) *to++ = host.data()[(o * in + i) * out + j];
    }
  }
  return result.to(t.device());
}

// Copies what stays of a node's parameters.
void transplant(const nn::Network& from, nn::Network& to, const nn::Node& node, const Channels& ins,
                const Channels& outs) {
  static const Channels one{0};
  for (const char* suffix : {".weight", ".bias", ".running_mean", ".running_var"}) {
    const std::string name = node.name + suffix;
    if (!to.has_parameter(name)) continue;
    const Tensor& value = from.parameter(name).var.value;
    nn::Parameter& target = to.parameter(name);
    const engine::Shape& s = value.shape();
    target.var.value = s.rank() == 1 ? sliced(value, 1, s[0], one, outs, target.var.shape())
                                     : sliced(value, s[s.rank() - 2], s[s.rank() - 1], ins, outs,
                                              target.var.shape());
  }
}

}  // namespace

Cut cut(const nn::Network& network, const CutPlan& plan) {
  require<ShapeError>(
      plan.keep_block.empty() || plan.keep_block.size() == network.graph().blocks.size(),
      "a plan for {} blocks can't cut {}", plan.keep_block.size(), network.graph().blocks.size());
  const WidthMode mode = plan.units.keep.empty() ? WidthMode::stream : plan.units.mode;
  const nn::Graph graph = prepare(network.graph(), mode);
  const Coupling coupling = couple_channels(graph, mode);
  require<ShapeError>(plan.units.keep.empty() || plan.units.keep.size() == coupling.classes.size(),
                      "a plan for {} classes of channels can't cut {}", plan.units.keep.size(),
                      coupling.classes.size());
  Surgeon surgeon(graph, coupling, plan);
  Cut result{nn::Network(surgeon.operate(), network.device()), {}};

  for (NodeId id = 1; id < graph.size(); ++id) {
    const nn::Node& node = graph.node(id);
    const auto survivor =
        std::ranges::find(result.network.graph().nodes, node.name, &nn::Node::name);
    if (survivor == result.network.graph().nodes.end()) continue;
    transplant(network, result.network, node, surgeon.kept(node.inputs[0]), surgeon.kept(id));
    result.origin.channels[node.name] = surgeon.kept(id);
  }
  for (std::size_t i = 0; i < graph.blocks.size(); ++i) {
    if (surgeon.keeps_block(i)) result.origin.blocks.push_back(static_cast<std::int64_t>(i));
  }
  return result;
}

ChannelMap compose(const ChannelMap& first, const ChannelMap& second) {
  ChannelMap result;
  for (const auto& [name, channels] : second.channels) {
    const auto before = first.channels.find(name);
    Channels& list = result.channels[name];
    for (std::int64_t c : channels) {
      list.push_back(before == first.channels.end() ? c : before->second[index(c)]);
    }
  }
  for (std::int64_t block : second.blocks) {
    result.blocks.push_back(first.blocks.empty() ? block : first.blocks[index(block)]);
  }
  return result;
}

}  // namespace trifold::pruning
