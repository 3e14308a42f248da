/// The separable case of the continuous solver (internal).
#pragma once

#include <array>
#include <optional>

#include "map/low_rank.h"

namespace trifold::map {

/// Maximises log of the product of the factors under a log-linear budget by bisection on the
/// multiplier. None if a factor changes sign on the box or the budget falls into a jump.
std::optional<Point> solve_separable(const LowRank::Term& factors,
                                     const std::array<double, 3>& exponents, double budget,
                                     const Point& lower);

}  // namespace trifold::map
