/// The paper's rank-1 predictor with factors that can't fall.
#pragma once

#include <cstdint>

#include "map/low_rank.h"

namespace trifold::map {

struct MonotoneOptions {
  std::int64_t degree = 3;   ///< K
  double ridge = 1e-6;       ///< weight of the squared increments, relative as in LowRankOptions
  double tolerance = 1e-10;  ///< as in LowRankOptions
  std::int64_t max_sweeps = 2000;
};

/// F(d, w, r) = S(d) U(w) V(r) where each factor is sum_k b_k B_k over its sampled range, B_k the
/// Bernstein polynomials, and 0 <= b_0 <= b_1 <= ... <= b_K: accuracy doesn't rise where capacity
/// falls. The result is a LowRank of rank 1 in the usual form; inside the sampled range no factor
/// falls (by more than the rounding of its coefficients), outside it promises nothing.
///
/// Numerics  Minimises mean((y/s - F/s)^2) + ridge * sum of squared increments (b_0 and b_k -
///           b_{k-1}), s = RMS of the accuracies, by alternating non-negative least squares: with
///           two factors fixed, the third is a linear problem in its increments. Every step lowers
///           the objective. The same input always gives the same fit.
/// Errors    FitError for bad samples or options, and for an accuracy below 0.
/// Source    Rank 1 and degree 3 are the paper's (arXiv 2010.04879); the constraint is not. Shape
///           from Bernstein coefficients: Farouki, The Bernstein polynomial basis: a centennial
///           retrospective, CAGD 29 (2012), section 5.
LowRankFit fit_monotone(const std::vector<Sample>& samples, const MonotoneOptions& options = {});

}  // namespace trifold::map
