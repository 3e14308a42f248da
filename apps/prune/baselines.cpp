#include "apps/prune/baselines.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "map/counter_random.h"

namespace trifold::apps {
namespace {

using pruning::GridIndex;
using Choice = std::optional<GridIndex>;

// The best predicted within the target, of the candidates that `allowed` lets through.
template <class Allowed>
Choice best_of(pruning::Space& space, const map::Predictor& predictor, Allowed allowed) {
  Choice best;
  double best_value = 0;
  for (GridIndex at : space.widest_candidates()) {
    // Accuracy needn't rise with the width, if the data say so.
    for (; at.width >= 0; --at.width) {
      if (!allowed(at)) continue;
      const double value = predictor.value(space.place(at));
      if (best && value <= best_value) continue;
      best = at;
      best_value = value;
    }
  }
  return best;
}

template <std::int64_t GridIndex::*Axis>
Choice one_dimension(pruning::Space& space, const map::Predictor&, std::uint64_t) {
  GridIndex at = space.whole();
  while (at.*Axis >= 0 && !space.meets_target(at)) --(at.*Axis);
  return at.*Axis >= 0 ? Choice(at) : std::nullopt;
}

template <std::int64_t GridIndex::*Kept>
Choice two_dimensions(pruning::Space& space, const map::Predictor& predictor, std::uint64_t) {
  const GridIndex all = space.whole();
  return best_of(space, predictor, [&](const GridIndex& at) { return at.*Kept == all.*Kept; });
}

std::int64_t nearest(const std::vector<double>& options, double wanted) {
  return std::ranges::min_element(options, {}, [&](double x) { return std::abs(x - wanted); }) -
         options.begin();
}

Choice uniform(pruning::Space& space, const map::Predictor&, std::uint64_t) {
  const map::DiscreteSpace& grid = space.grid();
  constexpr double step = 0.01, most = 20;
  for (double k = step; k <= most; k += step) {
    const GridIndex at{nearest(grid.depth, std::pow(1.2, -k)),
                       nearest(grid.width, std::pow(1.1, -k)),
                       nearest(grid.resolution, std::pow(1.15, -k))};
    if (space.meets_target(at)) return at;
  }
  return std::nullopt;
}

Choice tinynet(pruning::Space& space, const map::Predictor&, std::uint64_t) {
  struct Published {
    double cost, depth, resolution;  // of EfficientNet-B0: 387 M multiply-accumulates at 224 pixels
  };
  constexpr std::array<Published, 6> networks = {{{1, 1, 1},
                                                  {339.0 / 387, 1.2, 192.0 / 224},
                                                  {202.0 / 387, 1.1, 188.0 / 224},
                                                  {100.0 / 387, 0.85, 184.0 / 224},
                                                  {52.0 / 387, 0.695, 152.0 / 224},
                                                  {24.0 / 387, 0.6, 106.0 / 224}}};
  const double target = std::max(space.options().target, networks.back().cost);
  std::size_t next = 1;
  while (networks[next].cost > target) ++next;
  const Published &above = networks[next - 1], &below = networks[next];
  const double t = std::log(target / above.cost) / std::log(below.cost / above.cost);
  const map::DiscreteSpace& grid = space.grid();
  GridIndex at{
      .depth = nearest(grid.depth, std::min(1.0, std::lerp(above.depth, below.depth, t))),
      .resolution = nearest(grid.resolution, std::lerp(above.resolution, below.resolution, t))};
  at.width = space.widest_within_target(at.depth, at.resolution);
  return at.width >= 0 ? Choice(at) : std::nullopt;
}

Choice random(pruning::Space& space, const map::Predictor&, std::uint64_t seed) {
  const std::vector<GridIndex> candidates = space.budget_frontier();
  return candidates[map::CounterRandom(seed).below(candidates.size())];
}

}  // namespace

const std::vector<Baseline>& baselines() {
  static const std::vector<Baseline> all = {
      {"joint", "all three dimensions, as chosen", false, nullptr},
      {"scratch", "the same structure from fresh values", true, nullptr},
      {"depth", "depth alone", false, one_dimension<&GridIndex::depth>},
      {"width", "width alone", false, one_dimension<&GridIndex::width>},
      {"resolution", "resolution alone", false, one_dimension<&GridIndex::resolution>},
      {"depth-width", "two dimensions, as predicted", false,
       two_dimensions<&GridIndex::resolution>},
      {"depth-resolution", "two dimensions, as predicted", false,
       two_dimensions<&GridIndex::width>},
      {"width-resolution", "two dimensions, as predicted", false,
       two_dimensions<&GridIndex::depth>},
      {"uniform", "EfficientNet's compound rule, downwards", false, uniform},
      {"tinynet", "TinyNet's rule", false, tinynet},
      {"random", "a random network of that cost", false, random},
  };
  return all;
}

}  // namespace trifold::apps
