/// Least squares with non-negative unknowns (internal: it shows Eigen).
#pragma once

#include <Eigen/Dense>

namespace trifold::map {

/// The x >= 0 that minimises |A x - b|.
///
/// Errors    FitError: A or b is not finite, or the active sets don't settle (rounding alone can do
///           that).
/// Numerics  At the result A'(b - A x) is 0 where x > 0 and at most 0 where x = 0, both up to
///           rounding: the KKT conditions, sufficient since the problem is convex.
/// Source    Lawson and Hanson, Solving Least Squares Problems, 1974, algorithm NNLS (23.10).
Eigen::VectorXd nnls(const Eigen::MatrixXd& a, const Eigen::VectorXd& b);

}  // namespace trifold::map
