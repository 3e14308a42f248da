/// The most accurate point under a cost budget, in continuous d, w, r.
#pragma once

#include <array>
#include <string>

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

/// Maximises F(d, w, r) subject to C(d, w, r) <= T and lower <= (d, w, r) <= 1.
///
/// T, `budget`, is the cost that may remain, as a fraction of the original's: T = 0.5 halves it. The
/// paper has C = d w^2 r^2 = T; an inequality is the same wherever F rises with some coordinate that
/// can still grow. F should be positive near the optimum. In logarithms u_i = log x_i the Lagrangian
/// is
///
///   L(u, m, p, q) = log F - m (log C - log T) + sum_i p_i (u_i - log lower_i) - sum_i q_i u_i,
///
/// and the Karush-Kuhn-Tucker (KKT) conditions, which an optimum must meet, are, with the
/// elasticities e_F,i = x_i F_i / F = d log F / d u_i and e_C,i likewise,
///
///   stationary     e_F,i - m e_C,i + p_i - q_i = 0 for i = d, w, r
///   feasible       C <= T, lower_i <= x_i <= 1
///   signs          m, p_i, q_i >= 0
///   complementary  m (log C - log T) = 0, p_i (x_i - lower_i) = 0, q_i (1 - x_i) = 0.
///
/// Where no bound is active that says e_F,i = m e_C,i: under the paper's cost (elasticities 1, 2, 2)
/// e_d = e_w / 2 = e_r / 2 = m, so that the last unit of cost is worth the same in each dimension.
/// At a lower bound e_F <= m e_C (the dimension is worth less than its cost, and would shrink
/// further), at 1 e_F >= m e_C. A budget that the best point of the box doesn't use up has m = 0.
/// The conditions are sufficient only where F is concave along the budget; therefore the search
/// below is global, and the conditions check its result. See explain() for what they can say.
///
/// Source: the paper's Lagrangian and KKT conditions are Wang et al., ICML 2021 (arXiv 2010.04879);
/// KKT in general Nocedal and Wright, Numerical Optimization, 2nd edition, theorem 12.1. The
/// logarithms, the bounds and the search are ours.
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

/// What the KKT conditions say of a solution, in sentences for people: that it is a KKT point, with
/// the multiplier and the bounds it lies on; or that it isn't (a residual above 1e-3 of the greatest
/// elasticity, as where F or C has a kink); and in either case, where F falls as a dimension grows
/// (a negative elasticity), that the point rests on that fall: no gain of capacity explains it, and
/// the multiplier prices the other dimensions alone.
std::string explain(const ContinuousSolution& solution);

/// True if the KKT residual is within 1e-3 of the greatest elasticity.
bool is_kkt_point(const ContinuousSolution& solution);

}  // namespace trifold::map
