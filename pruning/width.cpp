#include "pruning/width.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "kernels/error.h"

namespace trifold::pruning {
namespace {

double score(const nn::Graph& graph, const nn::Network& network, const ChannelClass& c) {
  double sum = 0;
  for (const BatchNormChannel& member : c.members) {
    const engine::Tensor& gamma =
        network.parameter(graph.node(member.node).name + ".weight").var.value;
    sum += std::abs(gamma.values()[static_cast<std::size_t>(member.channel)]);
  }
  return sum / static_cast<double>(c.members.size());
}

}  // namespace

double kept_fraction(const UnitSelection& s) {
  return s.units == 0 ? 1.0 : static_cast<double>(s.kept) / static_cast<double>(s.units);
}

UnitSelection select_units(const nn::Network& network, WidthMode mode, double w,
                           const WidthLimits& limits) {
  require<ConfigError>(w > 0 && w <= 1, "a width of {} is not in (0, 1]", w);
  const nn::Graph graph = prepare(network.graph(), mode);
  const Coupling coupling = couple_channels(graph, mode);

  std::vector<std::size_t> order;  // the prunable classes, best first
  std::vector<double> scores(coupling.classes.size(), 0.0);
  for (std::size_t i = 0; i < coupling.classes.size(); ++i) {
    if (!coupling.classes[i].prunable) continue;
    order.push_back(i);
    scores[i] = score(graph, network, coupling.classes[i]);
  }
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return scores[i]; });

  UnitSelection selection{.mode = mode,
                          .keep = std::vector<bool>(coupling.classes.size(), false),
                          .units = std::ssize(order)};
  for (std::size_t i = 0; i < coupling.classes.size(); ++i) {
    if (!coupling.classes[i].prunable) selection.keep[i] = true;
  }
  std::map<nn::NodeId, std::vector<std::size_t>> groups;  // each best first
  for (std::size_t i : order) groups[coupling.classes[i].home].push_back(i);

  std::int64_t& kept = selection.kept;
  const auto keep = [&](std::size_t i) {
    if (!selection.keep[i]) {
      selection.keep[i] = true;
      ++kept;
    }
  };
  // What the floors demand comes first, then the best of all until the count is reached.
  for (const auto& [home, members] : groups) {
    const auto floor = static_cast<std::size_t>(
        std::max(1.0, std::ceil(limits.floor_fraction * static_cast<double>(members.size()))));
    for (std::size_t i = 0; i < floor; ++i) keep(members[i]);
  }
  const std::int64_t wanted = std::llround(w * static_cast<double>(selection.units));
  for (std::size_t i : order) {
    if (kept >= wanted) break;
    keep(i);
  }
  for (const auto& [home, members] : groups) {
    const std::int64_t count = std::ranges::count_if(
        members, [&](std::size_t i) { return static_cast<bool>(selection.keep[i]); });
    const std::int64_t rounded =
        std::min((count + limits.round_to - 1) / limits.round_to * limits.round_to,
                 static_cast<std::int64_t>(std::ssize(members)));
    for (std::int64_t i = 0; i < rounded; ++i) keep(members[static_cast<std::size_t>(i)]);
  }
  return selection;
}

}  // namespace trifold::pruning
