#include "pruning/unit_weights.h"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.h"
#include "nn/overloaded.h"

namespace trifold::pruning {
namespace {

template <class T>
concept PassesOneInput = nn::PassesChannels<T> && T::arity.most == 1;

}  // namespace

UnitWeights::UnitWeights(const nn::Network& network, const Coupling& coupling)
    : network_(network), coupling_(coupling), readers_(network.graph().readers()) {}

const engine::Tensor& UnitWeights::weights(nn::NodeId node) {
  engine::Tensor& tensor = weights_[node];
  if (!tensor.defined()) {
    const std::string& name = network_.graph().node(node).name;
    tensor = network_.parameter(name + ".weight").var.value.to(Device{});
    require<DivergedError>(
        std::ranges::all_of(tensor.values(), [](float w) { return std::isfinite(w); }),
        "a weight of '{}' is not finite", name);
  }
  return tensor;
}

WeightSlice UnitWeights::filter(nn::NodeId layer, std::int64_t channel) {
  // Filters are the last axis of all weights.
  const engine::Tensor& w = weights(layer);
  const auto filters = static_cast<std::size_t>(w.shape().channels());
  WeightSlice slice{layer, {}};
  for (std::size_t i = static_cast<std::size_t>(channel); i < w.values().size(); i += filters) {
    slice.values.push_back(w.values()[i]);
  }
  return slice;
}

WeightSlice UnitWeights::of_group(nn::NodeId layer, const nn::GroupedConv2d& op,
                                  std::int64_t channel) {
  // (r, s, c / groups, k), of which the channel's group has k / groups.
  const engine::Tensor& w = weights(layer);
  const std::int64_t c = w.shape()[2], own = op.filters / op.groups;
  WeightSlice slice{layer, {}};
  for (std::int64_t row = channel % c; row * op.filters < w.size(); row += c) {
    const auto begin = w.values().begin() + row * op.filters + channel / c * own;
    slice.values.insert(slice.values.end(), begin, begin + own);
  }
  return slice;
}

void UnitWeights::read_through(nn::NodeId node, const Range& channels,
                               std::vector<WeightSlice>& slices) {
  const auto weighed = [&](nn::NodeId layer) {
    // (r, s, c, k) and (c, k): rows of k weights, c of them a position of the window.
    const engine::Tensor& w = weights(layer);
    const std::int64_t k = w.shape().channels(), c = w.shape()[w.shape().rank() - 2];
    WeightSlice slice{layer, {}};
    for (std::int64_t row = channels.first; row * k < w.size(); row += c) {
      const auto begin = w.values().begin() + row * k;
      slice.values.insert(slice.values.end(), begin, begin + channels.count * k);
    }
    slices.push_back(std::move(slice));
  };
  const nn::Graph& graph = network_.graph();
  for (nn::NodeId reader : readers_[static_cast<std::size_t>(node)]) {
    std::visit(nn::Overloaded{
                   [&](const nn::Conv2d&) { weighed(reader); },
                   [&](const nn::Linear&) { weighed(reader); },
                   [&](const nn::DepthwiseConv2d&) {
                     for (std::int64_t i = 0; i < channels.count; ++i) {
                       slices.push_back(filter(reader, channels.first + i));
                     }
                   },
                   [&](const nn::GroupedConv2d& op) {
                     for (std::int64_t i = 0; i < channels.count; ++i) {
                       slices.push_back(of_group(reader, op, channels.first + i));
                     }
                   },
                   [&](const nn::Flatten& op) {
                     const std::int64_t each = op.side * op.side;
                     read_through(reader, {channels.first * each, channels.count * each}, slices);
                   },
                   // Whose result is more than the channel, or scaled anew.
                   [](const nn::Input&) {}, [](const nn::BatchNorm&) {}, [](const nn::Add&) {},
                   [](const nn::ChannelScale&) {}, [](const nn::Concat&) {},
                   [](const nn::ChannelGather&) {},
                   [&](const PassesOneInput auto&) { read_through(reader, channels, slices); }},
               graph.node(reader).op);
  }
}

std::vector<WeightSlice> UnitWeights::slices(const Unit& unit) {
  std::vector<WeightSlice> result;
  std::vector<ChannelClass::Member> selected;
  if (unit.is_selection()) {
    selected.push_back({unit.reader, unit.channel});
  } else {
    const ChannelClass& channels = coupling_[unit.channel_class];
    for (const auto& [node, channel] : channels.producers) {
      if (makes_by_weights(network_.graph().node(node).op)) {
        result.push_back(filter(node, channel));
      }
    }
    if (result.empty()) selected = channels.batch_norms;
  }
  for (const auto& [node, channel] : selected) read_through(node, {channel, 1}, result);
  require<ConfigError>(!result.empty(),
                       "no convolution or linear layer weighs the channels that '{}' selects; take "
                       "a criterion that doesn't go by weights",
                       selected.empty() ? "" : network_.graph().node(selected.front().node).name);
  return result;
}

std::vector<double> scores_by_slices(const nn::Network& network, const Units& units,
                                     double (*measure)(const std::vector<float>&)) {
  UnitWeights weights(network, units.coupling);
  std::vector<double> scores;
  for (const Unit& unit : units.units) {
    const std::vector<WeightSlice> slices = weights.slices(unit);
    double sum = 0;
    for (const WeightSlice& slice : slices) sum += measure(slice.values);
    scores.push_back(sum / static_cast<double>(slices.size()));
  }
  divide_by_group_mean(units, scores);
  return scores;
}

void divide_by_group_mean(const Units& units, std::vector<double>& scores) {
  std::vector<double> sums(units.groups.size(), 0.0), counts(units.groups.size(), 0.0);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto group = static_cast<std::size_t>(units.units[i].group);
    sums[group] += scores[i];
    counts[group] += 1.0;
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto group = static_cast<std::size_t>(units.units[i].group);
    if (sums[group] > 0) scores[i] *= counts[group] / sums[group];
  }
}

}  // namespace trifold::pruning
