#include "map/nnls.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "map/error.h"

namespace trifold::map {
namespace {

using Eigen::Index;
using Eigen::VectorXd;

/// The unconstrained least-squares solution over the columns in `passive`, 0 elsewhere.
VectorXd solve_passive(const Eigen::MatrixXd& a, const VectorXd& b,
                       const std::vector<Index>& passive) {
  VectorXd x = VectorXd::Zero(a.cols());
  if (!passive.empty()) x(passive) = a(Eigen::all, passive).colPivHouseholderQr().solve(b);
  return x;
}

}  // namespace

VectorXd nnls(const Eigen::MatrixXd& a, const VectorXd& b) {
  if (!a.allFinite() || !b.allFinite()) {
    throw FitError("The fit did not stay finite; check the accuracies for extreme values.");
  }
  const Index n = a.cols();
  VectorXd x = VectorXd::Zero(n);
  std::vector<Index> passive;
  VectorXd gradient = a.transpose() * b;
  const VectorXd rounding = 10 * double(a.rows()) * std::numeric_limits<double>::epsilon() *
                            b.norm() * a.colwise().norm().transpose();
  for (Index step = 0; step < 30 * (n + 1); ++step) {
    // The unknown at 0 whose growth helps most joins the passive (positive) ones.
    Index next = -1;
    for (Index j = 0; j < n; ++j) {
      if (x[j] == 0 && gradient[j] > rounding[j] && (next < 0 || gradient[j] > gradient[next])) {
        next = j;
      }
    }
    if (next < 0) return x;
    passive.push_back(next);
    VectorXd target = solve_passive(a, b, passive);
    if (!(target[next] > 0)) {  // its gradient is rounding alone
      passive.pop_back();
      gradient[next] = 0;
      continue;
    }
    // Walk to the target as far as all stay positive, drop what reaches 0, and aim again.
    while (!passive.empty() && !(target(passive).minCoeff() > 0)) {
      double fraction = 1;
      for (const Index j : passive) {
        if (target[j] <= 0) fraction = std::min(fraction, x[j] / (x[j] - target[j]));
      }
      VectorXd moved = x + fraction * (target - x);
      for (const Index j : passive) {
        if (target[j] <= 0 && x[j] / (x[j] - target[j]) <= fraction) moved[j] = 0;
      }
      x = moved;
      std::erase_if(passive, [&](Index j) { return !(x[j] > 0); });
      for (Index j = 0; j < n; ++j) {
        if (!(x[j] > 0)) x[j] = 0;
      }
      target = solve_passive(a, b, passive);
    }
    x = target;
    gradient = a.transpose() * (b - a * x);
  }
  throw FitError("The non-negative fit did not settle; check the accuracies for extreme values.");
}

}  // namespace trifold::map
