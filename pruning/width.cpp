#include "pruning/width.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "kernels/runtime/error.h"

namespace trifold::pruning {
namespace {

using nn::NodeId;

// Whether the nodes stand between a block's two ends.
bool inside_a_block(const nn::Graph& graph, const std::vector<NodeId>& nodes) {
  return std::ranges::any_of(graph.blocks, [&](const nn::Block& block) {
    return block.input < nodes.front() && nodes.back() < block.output;
  });
}

// Batch norms that may choose among channels which others read too.
std::vector<NodeId> selecting_readers(const nn::Graph& graph) {
  const std::vector<std::vector<NodeId>> readers = graph.readers();
  std::vector<NodeId> result;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const nn::Node& node = graph.node(id);
    if (!std::holds_alternative<nn::BatchNorm>(node.op) || node.inputs.size() != 1) continue;
    const NodeId input = node.inputs.front();
    if (readers[static_cast<std::size_t>(input)].size() > 1 ||
        std::holds_alternative<nn::Concat>(graph.node(input).op)) {
      result.push_back(id);
    }
  }
  return result;
}

// Whether several nodes make the channels, as those of a residual stream; a linear layer that makes
// but the factors of a convolution's channels doesn't count.
bool is_stream(const nn::Graph& graph, const ChannelClass& channels) {
  std::set<NodeId> linear, others;
  for (const auto& [node, channel] : channels.producers) {
    (std::holds_alternative<nn::Linear>(graph.node(node).op) ? linear : others).insert(node);
  }
  return others.size() > 1 || (others.empty() && linear.size() > 1);
}

// Whether a convolution or a linear layer makes the channels.
bool is_filtered(const nn::Graph& graph, const ChannelClass& channels) {
  return std::ranges::any_of(channels.producers, [&](const ChannelClass::Member& producer) {
    return makes_by_weights(graph.node(producer.node).op);
  });
}

bool is_prunable(const WidthLimits& limits, const std::string& group) {
  const auto match = [&](const std::string& pattern) { return matches(pattern, group); };
  return std::ranges::any_of(limits.include, match) && std::ranges::none_of(limits.exclude, match);
}

void check(const WidthLimits& limits) {
  require<ConfigError>(limits.floor_channels >= 1,
                       "a floor of {} channels a group; it must be at least 1",
                       limits.floor_channels);
  require<ConfigError>(limits.floor_fraction >= 0.0 && limits.floor_fraction <= 1.0,
                       "a floor of {} of every group; it must be in [0, 1]", limits.floor_fraction);
  require<ConfigError>(limits.round_to >= 1, "channels can't be rounded to multiples of {}",
                       limits.round_to);
}

std::vector<std::int64_t> group_sizes(const Units& all) {
  std::vector<std::int64_t> sizes(all.groups.size(), 0);
  for (const Unit& unit : all.units) ++sizes[static_cast<std::size_t>(unit.group)];
  return sizes;
}

// How many units of every group must stay.
std::vector<std::int64_t> floors(const Units& all, const WidthLimits& limits) {
  check(limits);
  std::vector<std::int64_t> result = group_sizes(all);
  for (std::size_t g = 0; g < result.size(); ++g) {
    if (!is_prunable(limits, all.groups[g])) continue;
    if (const auto fixed = limits.group_floors.find(all.groups[g]);
        fixed != limits.group_floors.end()) {
      result[g] = std::min(result[g], fixed->second);
      continue;
    }
    const double share = std::ceil(limits.floor_fraction * static_cast<double>(result[g]) - 1e-9);
    result[g] =
        std::min(result[g], std::max(limits.floor_channels, static_cast<std::int64_t>(share)));
  }
  return result;
}

}  // namespace

bool matches(const std::string& pattern, const std::string& group) {
  return ::fnmatch(pattern.c_str(), group.c_str(), 0) == 0;
}

Units find_units(const nn::Graph& graph, WidthMode mode, bool without_norm) {
  Coupling coupling = find_coupling(graph);
  std::map<NodeId, std::vector<Unit>> by_node;  // the node that the group is named after
  std::map<NodeId, std::string> names;
  for (std::size_t i = 0; i < coupling.classes.size(); ++i) {
    const ChannelClass& channels = coupling.classes[i];
    const bool wanted = mode == WidthMode::stream || inside_a_block(graph, channels.nodes) ||
                        channels.is_selection(graph);
    const bool has_score =
        !channels.batch_norms.empty() || (without_norm && is_filtered(graph, channels));
    if (!has_score || !wanted) continue;
    const auto [node, channel] = channels.producers.front();
    by_node[node].push_back({0, static_cast<ClassId>(i), -1, channel});
    std::string& name = names[node];
    if (channels.is_selection(graph)) {
      name = graph.node(channels.batch_norms.front().node).name;
    } else if (name.empty() || is_stream(graph, channels)) {
      name = graph.node(node).name + (is_stream(graph, channels) ? " stream" : "");
    }
  }
  if (mode == WidthMode::inner) {
    for (NodeId reader : selecting_readers(graph)) {
      const auto& row = coupling.of[static_cast<std::size_t>(reader)];
      for (std::int64_t c = 0; c < std::ssize(row); ++c) {
        const ClassId own = row[static_cast<std::size_t>(c)];
        // None that a group of channels needs can be left unread by itself.
        if (own == unprunable || std::ranges::count(row, own) > 1) continue;
        by_node[reader].push_back({0, -1, reader, c});
        names[reader] = graph.node(reader).name;
      }
    }
  }

  Units result{mode, without_norm, {}, {}, std::move(coupling)};
  for (auto& [node, units] : by_node) {
    std::ranges::sort(units, {}, &Unit::channel);
    for (Unit& unit : units) {
      unit.group = std::ssize(result.groups);
      result.units.push_back(unit);
    }
    result.groups.push_back(names[node]);
  }
  return result;
}

std::vector<double> unit_scores(const nn::Network& network, WidthMode mode) {
  const nn::Graph& graph = network.graph();
  const Units all = find_units(graph, mode);
  std::map<NodeId, engine::Tensor> gammas;
  const auto magnitude = [&](NodeId node, std::int64_t channel) {
    engine::Tensor& gamma = gammas[node];
    if (!gamma.defined()) {
      gamma = network.parameter(graph.node(node).name + ".weight").var.value.to(Device{});
    }
    const double scale = gamma.values()[static_cast<std::size_t>(channel)];
    require<DivergedError>(std::isfinite(scale), "a scale of batch norm '{}' is not finite",
                           graph.node(node).name);
    return std::abs(scale);
  };

  std::vector<double> scores;
  for (const Unit& unit : all.units) {
    if (unit.is_selection()) {
      scores.push_back(magnitude(unit.reader, unit.channel));
      continue;
    }
    const std::vector<ChannelClass::Member>& members = all.coupling[unit.channel_class].batch_norms;
    double sum = 0.0;
    for (const auto& [node, channel] : members) sum += magnitude(node, channel);
    scores.push_back(sum / static_cast<double>(members.size()));
  }
  return scores;
}

std::vector<double> ranks_in_groups(const Units& all, std::span<const double> scores) {
  require<ShapeError>(scores.size() == all.units.size(), "{} scores were given for {} units",
                      scores.size(), all.units.size());
  std::vector<std::size_t> best_first(scores.size());
  std::iota(best_first.begin(), best_first.end(), std::size_t{0});
  std::ranges::stable_sort(best_first, std::greater{}, [&](std::size_t i) { return scores[i]; });
  const std::vector<std::int64_t> sizes = group_sizes(all);
  std::vector<std::int64_t> left = sizes;
  std::vector<double> ranks(scores.size());
  for (std::size_t i : best_first) {
    const auto g = static_cast<std::size_t>(all.units[i].group);
    ranks[i] = static_cast<double>(left[g]--) / static_cast<double>(sizes[g]);
  }
  return ranks;
}

std::map<std::string, std::int64_t> group_floors(const Units& all, const WidthLimits& limits) {
  const std::vector<std::int64_t> floor = floors(all, limits);
  std::map<std::string, std::int64_t> result;
  for (std::size_t g = 0; g < floor.size(); ++g) result[all.groups[g]] = floor[g];
  return result;
}

UnitSelection select_units(const nn::Network& network, WidthMode mode, double width,
                           const WidthLimits& limits) {
  return select_units(find_units(network.graph(), mode), unit_scores(network, mode), width, limits);
}

UnitSelection select_units(const Units& all, std::span<const double> scores, double width,
                           const WidthLimits& limits) {
  require<ConfigError>(width > 0.0 && width <= 1.0, "a width of {}; it must be in (0, 1]", width);
  require<ShapeError>(scores.size() == all.units.size(), "{} scores were given for {} units",
                      scores.size(), all.units.size());
  const std::vector<std::int64_t> sizes = group_sizes(all), floor = floors(all, limits);
  std::vector<std::size_t> best_first(all.units.size());
  std::iota(best_first.begin(), best_first.end(), std::size_t{0});
  std::ranges::stable_sort(best_first, std::greater{}, [&](std::size_t i) { return scores[i]; });

  UnitSelection selection{all.mode, std::vector<bool>(all.units.size(), false), all.without_norm};
  std::vector<std::int64_t> count(sizes.size(), 0);
  std::int64_t left = std::llround(width * static_cast<double>(all.units.size()));
  const auto group_of = [&](std::size_t i) { return static_cast<std::size_t>(all.units[i].group); };
  // Keeps the best of the removed units as long as `wanted` holds for their group.
  const auto keep_best = [&](const auto& wanted) {
    for (std::size_t i : best_first) {
      if (selection.kept[i] || !wanted(group_of(i))) continue;
      selection.kept[i] = true;
      ++count[group_of(i)];
      --left;
    }
  };
  keep_best([&](std::size_t g) { return count[g] < floor[g]; });
  keep_best([&](std::size_t) { return left > 0; });
  keep_best([&](std::size_t g) { return count[g] % limits.round_to != 0; });
  return selection;
}

UnitSelection nearest_selection(const Units& all, std::span<const double> scores, double share,
                                const WidthLimits& limits) {
  const auto count = std::ssize(all.units);
  if (count == 0) return {all.mode, {}, all.without_norm};
  const auto of = [&](std::int64_t units) {
    return select_units(all, scores, static_cast<double>(units) / static_cast<double>(count),
                        limits);
  };
  // Asked for more, it keeps more: `low` ends as the last that keeps less than `share`.
  std::int64_t low = 0, high = count;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (of(middle).kept_fraction() < share ? low : high) = middle;
  }
  UnitSelection above = of(high);
  if (low == 0) return above;
  UnitSelection below = of(low);
  const bool nearer_below = share - below.kept_fraction() <= above.kept_fraction() - share;
  return nearer_below || above.kept_fraction() == 1.0 ? below : above;
}

double min_width(const nn::Graph& graph, WidthMode mode, const WidthLimits& limits) {
  const Units all = find_units(graph, mode);
  if (all.units.empty()) return 1.0;
  const std::vector<std::int64_t> floor = floors(all, limits);
  return static_cast<double>(std::accumulate(floor.begin(), floor.end(), std::int64_t{0})) /
         static_cast<double>(all.units.size());
}

double UnitSelection::kept_fraction() const {
  if (kept.empty()) return 1.0;
  return static_cast<double>(std::ranges::count(kept, true)) / static_cast<double>(kept.size());
}

}  // namespace trifold::pruning
