#include "map/solve_discrete.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <tuple>

#include "map/error.h"

namespace trifold::map {
namespace {

bool better(const DiscreteCandidate& a, const DiscreteCandidate& b) {
  return std::tuple(-a.accuracy, a.cost, a.depth, a.width, a.resolution) <
         std::tuple(-b.accuracy, b.cost, b.depth, b.width, b.resolution);
}

/// Number of width indices whose cost fits, given that cost does not fall with the index.
std::int64_t feasible_widths(const CountedCost& cost, std::int64_t depth, std::int64_t widths,
                             std::int64_t resolution, double budget) {
  std::int64_t low = 0;
  std::int64_t high = widths;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (cost(depth, middle, resolution) <= budget) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

std::vector<DiscreteCandidate> solve_discrete(const Predictor& predictor,
                                              const DiscreteSpace& space, const CountedCost& cost,
                                              double budget, std::int64_t count) {
  if (space.depth.empty() || space.width.empty() || space.resolution.empty() ||
      !std::is_sorted(space.width.begin(), space.width.end()) || count < 1) {
    throw std::invalid_argument(
        "The discrete search needs depths, ascending widths, resolutions and a count of at least "
        "1.");
  }
  const auto limit = static_cast<std::size_t>(count);
  std::vector<DiscreteCandidate> best;  // a heap whose front is the worst kept
  DiscreteCandidate cheapest;
  cheapest.cost = INFINITY;
  for (std::size_t i = 0; i < space.depth.size(); ++i) {
    for (std::size_t k = 0; k < space.resolution.size(); ++k) {
      DiscreteCandidate c;
      c.depth = static_cast<std::int64_t>(i);
      c.resolution = static_cast<std::int64_t>(k);
      const auto widths = feasible_widths(
          cost, c.depth, static_cast<std::int64_t>(space.width.size()), c.resolution, budget);
      // Even where nothing fits, the narrowest is looked at, for the error text.
      for (c.width = 0; c.width < std::max<std::int64_t>(widths, 1); ++c.width) {
        c.at = {space.depth[i], space.width[static_cast<std::size_t>(c.width)],
                space.resolution[k]};
        c.cost = cost(c.depth, c.width, c.resolution);
        if (c.cost < cheapest.cost) cheapest = c;
        if (widths == 0) break;
        c.accuracy = predictor.value(c.at);
        if (best.size() == limit && !better(c, best.front())) continue;
        if (best.size() == limit) {
          std::pop_heap(best.begin(), best.end(), better);
          best.pop_back();
        }
        best.push_back(c);
        std::push_heap(best.begin(), best.end(), better);
      }
    }
  }
  if (best.empty()) {
    throw InfeasibleError(
        fmt::format("No candidate costs at most {}: the cheapest, (d, w, r) = ({}, {}, {}), costs "
                    "{}; raise the "
                    "budget or allow smaller nets.",
                    budget, cheapest.at.d, cheapest.at.w, cheapest.at.r, cheapest.cost));
  }
  std::sort_heap(best.begin(), best.end(), better);
  return best;
}

}  // namespace trifold::map
