/// The most accurate deployable point under a budget on counted cost.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "map/predictor.h"

namespace trifold::map {

/// The deployable values of each dimension as fractions. `width` must ascend.
struct DiscreteSpace {
  std::vector<double> depth;
  std::vector<double> width;
  std::vector<double> resolution;
};

struct DiscreteCandidate {
  Point at;
  std::int64_t depth = 0;  ///< indices into the DiscreteSpace
  std::int64_t width = 0;
  std::int64_t resolution = 0;
  double cost = 0;
  double accuracy = 0;  ///< predicted
};

/// Counted cost of (depth index, width index, resolution index), in any unit; it must not fall as
/// the width index grows.
using CountedCost = std::function<double(std::int64_t, std::int64_t, std::int64_t)>;

/// The `count` best candidates with cost <= budget, best first. Ties in predicted accuracy go to
/// the lower cost, then to the lower (depth, width, resolution) indices. For each depth and
/// resolution the greatest feasible width index is found by binary search; all widths up to it are
/// evaluated, since F need not rise with w. Throws std::invalid_argument for an empty or unsorted
/// space or count < 1, and InfeasibleError, naming the cheapest candidate, if none fits.
std::vector<DiscreteCandidate> solve_discrete(const Predictor& predictor,
                                              const DiscreteSpace& space, const CountedCost& cost,
                                              double budget, std::int64_t count = 1);

}  // namespace trifold::map
