/// The points that spend a cost budget.
#pragma once

#include <vector>

#include "map/cost.h"

namespace trifold::map {

/// A net of points p with cost(p) = budget and lower <= p <= 1: (cells + 1)^2 pairs of two
/// coordinates, evenly spaced in their logarithms, the third solved by bisection; once for each
/// coordinate in the third place, so that every part of the surface is met from its flat side.
/// Empty where the budget lies outside the box. Throws std::invalid_argument unless budget > 0,
/// 0 < lower <= 1 and cells >= 1.
std::vector<Point> budget_surface(const CostModel& cost, double budget, const Point& lower,
                                  int cells = 16);

}  // namespace trifold::map
