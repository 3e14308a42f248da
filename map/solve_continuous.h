/// The most accurate point under a cost budget, in continuous d, w, r.
#pragma once

#include <array>

#include "map/cost.h"
#include "map/predictor.h"

namespace trifold::map {

enum class Bound { none, lower, upper };

struct ContinuousSolution {
  Point at;
  double accuracy = 0;  ///< F at the point
  double cost = 0;      ///< C at the point
  /// d log F / d log T along the budget: what one relative unit of cost is worth; 0 if slack.
  double multiplier = 0;
  std::array<double, 3> accuracy_elasticity{};  ///< x F_x / F in d, w, r
  std::array<double, 3> cost_elasticity{};      ///< x C_x / C in d, w, r
  std::array<Bound, 3> active{};                ///< bound that d, w, r lie on
  /// Greatest violation of e_F = multiplier * e_C (>= at an upper bound, <= at a lower bound).
  double kkt_residual = 0;
};

/// Maximises F(p) subject to C(p) <= budget and lower <= p <= 1. F should be positive near the
/// optimum. A budget that the best point of the box does not use up leaves the multiplier at 0.
///
/// A rank-1 F, positive on the box, under a power-law C separates in log space: for a multiplier m
/// each coordinate maximises log f_i(x) - m a_i log x alone, at an end or where the elasticity of
/// f_i is m a_i, and bisection on m meets the budget. Where elasticities are not monotone the
/// budget can fall into a jump; then, as for every other F and C, a grid on each of the three ways
/// to solve one coordinate from the budget is searched and its best local maxima refined by pattern
/// search. That search can miss a peak narrower than 1/24 of a (logarithmic) range.
///
/// Throws InfeasibleError if C(lower) > budget, std::invalid_argument unless budget > 0 and
/// 0 < lower <= 1.
ContinuousSolution solve_continuous(const Predictor& predictor, const CostModel& cost,
                                    double budget, const Point& lower);

}  // namespace trifold::map
