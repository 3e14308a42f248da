#include "pruning/surgery.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "kernels/runtime/error.h"
#include "nn/overloaded.h"

namespace trifold::pruning {
namespace {

using Channels = std::vector<std::int64_t>;  // original indices, in order

Channels all_channels(std::int64_t count) {
  Channels channels(static_cast<std::size_t>(count));
  std::iota(channels.begin(), channels.end(), 0);
  return channels;
}

// The removed units, looked up by what they remove.
class Removed {
 public:
  Removed(const Units& all, const UnitSelection& selection)
      : classes_(all.coupling.classes.size(), false) {
    if (selection.kept.empty()) return;
    require<ShapeError>(all.units.size() == selection.kept.size(),
                        "a selection of {} units was given for a network of {}",
                        selection.kept.size(), all.units.size());
    for (std::size_t i = 0; i < all.units.size(); ++i) {
      if (selection.kept[i]) continue;
      const Unit& unit = all.units[i];
      if (unit.is_selection()) {
        unread_.insert({unit.reader, unit.channel});
      } else {
        classes_[static_cast<std::size_t>(unit.channel_class)] = true;
      }
    }
  }

  bool has_class(ClassId id) const {
    return id != unprunable && classes_[static_cast<std::size_t>(id)];
  }
  bool is_unread(nn::NodeId reader, std::int64_t channel) const {
    return unread_.contains({reader, channel});
  }

 private:
  std::vector<bool> classes_;
  std::set<std::pair<nn::NodeId, std::int64_t>> unread_;
};

// Builds the new graph in one pass over the old one. For every old node it knows the new node that
// yields its value, and which of the old node's channels that value still has.
class Surgeon {
 public:
  Surgeon(const nn::Graph& graph, const CutPlan& plan)
      : old_(graph),
        units_(find_units(graph, plan.units.mode, plan.units.without_norm)),
        old_channels_(nn::infer_channels(graph)),
        removed_(units_, plan.units) {
    const std::vector<bool> live = plan_blocks(plan.keep_block);
    for (nn::NodeId id = 0; id < old_.size(); ++id) {
      if (const auto bypass = bypass_.find(id); bypass != bypass_.end()) {
        place(id, value(bypass->second), kept(bypass->second));
      } else if (live[static_cast<std::size_t>(id)]) {
        operate(id);
      } else {
        place(id, -1, {});
      }
    }
    for (std::size_t i = 0; i < old_.blocks.size(); ++i) {
      if (!plan.keep_block.empty() && !plan.keep_block[i]) continue;
      nn::Block block = old_.blocks[i];
      block.input = value(block.input);
      block.output = value(block.output);
      new_.blocks.push_back(std::move(block));
      origin_.blocks.push_back(static_cast<std::int64_t>(i));
    }
  }

  // The smaller graph; called once.
  nn::Graph take_graph() { return std::move(new_); }
  ChannelMap take_origin() { return std::move(origin_); }
  // The channels of the input that a surviving old node still reads, and those that it yields.
  const Channels& kept_inputs(nn::NodeId id) const { return kept(old_.node(id).inputs.front()); }
  const Channels& kept(nn::NodeId id) const { return kept_[static_cast<std::size_t>(id)]; }

 private:
  nn::NodeId value(nn::NodeId id) const { return value_[static_cast<std::size_t>(id)]; }

  void place(nn::NodeId id, nn::NodeId new_id, Channels channels) {
    value_.push_back(new_id);
    kept_.push_back(std::move(channels));
    require<ConfigError>(new_id < 0 || !kept(id).empty(),
                         "the cut leaves no channel of '{}'; keep more channels or blocks",
                         old_.node(id).name);
  }

  // Notes the bypasses and returns which nodes the output still depends on.
  std::vector<bool> plan_blocks(const std::vector<bool>& keep_block) {
    require<ShapeError>(keep_block.empty() || keep_block.size() == old_.blocks.size(),
                        "a choice among {} blocks was given for a network of {}", keep_block.size(),
                        old_.blocks.size());
    for (std::size_t i = 0; i < keep_block.size(); ++i) {
      const nn::Block& block = old_.blocks[i];
      if (keep_block[i]) continue;
      require<ConfigError>(block.skippable && carries_its_input(block),
                           "block '{}' can't be removed: it has no identity path", block.name);
      bypass_[block.output] = block.input;
    }
    std::vector<bool> live(old_.nodes.size(), false);
    live.front() = live.back() = true;
    for (nn::NodeId id = old_.output(); id > 0; --id) {
      if (!live[static_cast<std::size_t>(id)]) continue;
      const auto bypass = bypass_.find(id);
      if (bypass != bypass_.end()) {
        live[static_cast<std::size_t>(bypass->second)] = true;
      } else {
        for (nn::NodeId input : old_.node(id).inputs) live[static_cast<std::size_t>(input)] = true;
      }
    }
    return live;
  }

  // Whether the output's first channels are the input's, so that readers can do with the input.
  bool carries_its_input(const nn::Block& block) const {
    const auto& in = coupling_.of[static_cast<std::size_t>(block.input)];
    const auto& out = coupling_.of[static_cast<std::size_t>(block.output)];
    return in.size() <= out.size() && std::equal(in.begin(), in.end(), out.begin());
  }

  void operate(nn::NodeId id) {
    nn::Node node = old_.node(id);
    for (nn::NodeId& input : node.inputs) input = value(input);
    Channels channels = std::visit(
        nn::Overloaded{[&](nn::Conv2d& op) {
                         Channels filters = without_removed(id);
                         op.filters = std::ssize(filters);
                         return filters;
                       },
                       [&](nn::Linear& op) {
                         Channels outputs = without_removed(id);
                         op.outputs = std::ssize(outputs);
                         return outputs;
                       },
                       [&](nn::GroupedConv2d& op) { return cut_groups(id, op); },
                       [&](nn::ChannelGather& op) { return cut_gather(id, op); },
                       [&](nn::BatchNorm&) { return select_inputs(id, node); },
                       [&](const nn::FixesChannels auto&) { return all(id); },
                       [&](const nn::PassesChannels auto&) { return kept_inputs(id); },
                       [&](const nn::JoinsChannels auto&) { return joined(old_.node(id)); },
                       [&](const nn::SpreadsChannels auto&) { return spread(id); }},
        node.op);
    if (is_identity(node)) {
      place(id, node.inputs.front(), std::move(channels));
      return;
    }
    origin_.channels[node.name] = channels;
    new_.nodes.push_back(std::move(node));
    place(id, new_.output(), std::move(channels));
  }

  Channels all(nn::NodeId id) const {
    return all_channels(old_channels_[static_cast<std::size_t>(id)]);
  }

  Channels without_removed(nn::NodeId id) const {
    Channels channels = all(id);
    std::erase_if(channels,
                  [&](std::int64_t c) { return removed_.has_class(coupling_.class_of(id, c)); });
    return channels;
  }

  // The channels that batch norm `id` reads; inserts a gather before it where it leaves some out.
  Channels select_inputs(nn::NodeId id, nn::Node& node) {
    const Channels& given = kept_inputs(id);
    Channels selected;
    nn::ChannelGather gather;
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (removed_.is_unread(id, given[i])) continue;
      selected.push_back(given[i]);
      gather.source.push_back(static_cast<std::int32_t>(i));
    }
    if (selected.size() < given.size() && !selected.empty()) {
      node.inputs.front() =
          new_.add(node.name + ".select", std::move(gather), {node.inputs.front()});
    }
    return selected;
  }

  // What the groups make whose channels are still there; coupling has kept or removed each as a whole.
  Channels cut_groups(nn::NodeId id, nn::GroupedConv2d& op) const {
    const nn::NodeId input = old_.node(id).inputs.front();
    const std::int64_t read = old_channels_[static_cast<std::size_t>(input)] / op.groups,
                       made = op.filters / op.groups;
    Channels filters;
    for (std::int64_t c : kept(input)) {
      if (c % read != 0) continue;
      for (std::int64_t i = 0; i < made; ++i) filters.push_back(c / read * made + i);
    }
    op.filters = std::ssize(filters);
    op.groups = op.filters / made;
    return filters;
  }

  // The outputs of gather `id` that stay; numbers its sources by what is left of its input. An output
  // whose source was -1 stays zero. One whose source is gone becomes zero, since an addition may need
  // the channel, as behind a shortcut of option A; but goes too where it is a selection's, which only
  // its reader sees.
  Channels cut_gather(nn::NodeId id, nn::ChannelGather& op) const {
    const Channels& given = kept_inputs(id);
    Channels channels;
    std::vector<std::int32_t> sources;
    for (std::int64_t c : without_removed(id)) {
      const std::int32_t old_source = op.source[static_cast<std::size_t>(c)];
      const auto found = std::ranges::lower_bound(given, old_source);
      const bool present = found != given.end() && *found == old_source;
      const ClassId own = coupling_.class_of(id, c);
      const bool is_selection = own != unprunable && coupling_[own].is_selection(old_);
      if (!present && old_source >= 0 && is_selection) continue;
      channels.push_back(c);
      sources.push_back(present ? static_cast<std::int32_t>(found - given.begin()) : -1);
    }
    op.source = std::move(sources);
    return channels;
  }

  // All that the kept inputs become.
  Channels spread(nn::NodeId id) const {
    const nn::NodeId input = old_.node(id).inputs.front();
    const std::int64_t each = old_channels_[static_cast<std::size_t>(id)] /
                              old_channels_[static_cast<std::size_t>(input)];
    Channels channels;
    for (std::int64_t c : kept(input)) {
      for (std::int64_t i = 0; i < each; ++i) channels.push_back(c * each + i);
    }
    return channels;
  }

  Channels joined(const nn::Node& old_node) const {
    Channels channels;
    std::int64_t offset = 0;
    for (nn::NodeId input : old_node.inputs) {
      for (std::int64_t c : kept(input)) channels.push_back(offset + c);
      offset += old_channels_[static_cast<std::size_t>(input)];
    }
    return channels;
  }

  bool is_identity(const nn::Node& node) const {
    const auto* gather = std::get_if<nn::ChannelGather>(&node.op);
    if (gather == nullptr || gather->stride != 1) return false;
    const std::int64_t in = nn::infer_channels(new_)[static_cast<std::size_t>(node.inputs[0])];
    if (std::ssize(gather->source) != in) return false;
    for (std::int32_t i = 0; i < in; ++i) {
      if (gather->source[static_cast<std::size_t>(i)] != i) return false;
    }
    return true;
  }

  const nn::Graph& old_;
  const Units units_;
  const Coupling& coupling_ = units_.coupling;
  std::vector<std::int64_t> old_channels_;
  Removed removed_;
  std::map<nn::NodeId, nn::NodeId> bypass_;  // a removed block's output -> its input
  nn::Graph new_;
  ChannelMap origin_;
  std::vector<nn::NodeId> value_;
  std::vector<Channels> kept_;
};

// y[.., i, ..] = x[.., indices[i], ..] along one axis.
engine::Tensor slice(const engine::Tensor& x, std::int64_t axis, const Channels& indices) {
  std::vector<std::int64_t> extents = x.shape().extents();
  std::int64_t outer = 1, inner = 1;
  for (std::int64_t i = 0; i < axis; ++i) outer *= x.shape()[i];
  for (std::int64_t i = axis + 1; i < x.shape().rank(); ++i) inner *= x.shape()[i];
  const std::int64_t old_count = x.shape()[axis];
  extents[static_cast<std::size_t>(axis)] = std::ssize(indices);
  engine::Tensor y = engine::Tensor::empty(engine::Shape(std::move(extents)));
  float* to = y.values().data();
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t index : indices) {
      to = std::copy_n(x.values().data() + (o * old_count + index) * inner, inner, to);
    }
  }
  return y;
}

engine::Tensor slice_parameter(const nn::Parameter& parameter, const Channels& in,
                               const Channels& out) {
  const engine::Tensor x = parameter.var.value.to(Device{});
  switch (parameter.role) {
    case nn::Role::conv_weight:
      return slice(slice(x, 2, in), 3, out);
    case nn::Role::depthwise_weight:
      return slice(x, 2, out);
    case nn::Role::grouped_weight:
      return slice(x, 3, out);
    case nn::Role::linear_weight:
      return slice(slice(x, 0, in), 1, out);
    case nn::Role::bias:
    case nn::Role::bn_gamma:
    case nn::Role::bn_beta:
    case nn::Role::running_mean:
    case nn::Role::running_var:
      break;
  }
  return slice(x, 0, out);
}

}  // namespace

Cut cut(const nn::Network& network, const CutPlan& plan) {
  const nn::Graph& old = network.graph();
  Surgeon surgeon(old, plan);
  Cut result{nn::Network(surgeon.take_graph(), network.device()), surgeon.take_origin()};
  for (nn::NodeId id = 1; id < old.size(); ++id) {
    const nn::Node& node = old.node(id);
    if (!result.origin.channels.contains(node.name)) continue;
    const Channels &in = surgeon.kept_inputs(id), &out = surgeon.kept(id);
    for (const nn::OpParameter& own : nn::parameters(node.op, std::ssize(in))) {
      const std::string name = node.name + own.suffix;
      result.network.parameter(name).var.value =
          slice_parameter(network.parameter(name), in, out).to(network.device());
    }
  }
  return result;
}

ChannelMap compose(const ChannelMap& first, const ChannelMap& second) {
  ChannelMap result;
  for (const auto& [name, indices] : second.channels) {
    const auto before = first.channels.find(name);
    if (before == first.channels.end()) continue;
    std::vector<std::int64_t>& row = result.channels[name];
    for (std::int64_t i : indices) row.push_back(before->second.at(static_cast<std::size_t>(i)));
  }
  for (std::int64_t i : second.blocks) {
    result.blocks.push_back(first.blocks.at(static_cast<std::size_t>(i)));
  }
  return result;
}

}  // namespace trifold::pruning
