#include "map/monotone.h"

#include <algorithm>
#include <cmath>

#include "map/bernstein.h"
#include "map/error.h"
#include "map/least_squares.h"
#include "map/nnls.h"
#include "map/samples.h"

namespace trifold::map {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Row j: the values at sample j of what one unit of each increment adds to a factor, that is
/// sum_{k >= i} B_k for increment i of b.
MatrixXd increments(const std::vector<Sample>& samples, std::size_t axis, double lower,
                    double upper, std::int64_t degree) {
  MatrixXd basis(std::ssize(samples), degree + 1);
  for (Eigen::Index j = 0; j < basis.rows(); ++j) {
    const double x = coordinates(samples[std::size_t(j)].at)[axis];
    const auto row = bernstein(upper > lower ? (x - lower) / (upper - lower) : 0.5, degree);
    double sum = 0;
    for (Eigen::Index k = degree; k >= 0; --k) {
      sum += row[std::size_t(k)];
      basis(j, k) = sum;
    }
  }
  return basis;
}

}  // namespace

LowRankFit fit_monotone(const std::vector<Sample>& samples, const MonotoneOptions& options) {
  check_samples(samples);
  if (!(options.ridge >= 0) || !(options.tolerance > 0) || options.max_sweeps < 1) {
    throw FitError(
        "A monotone fit's ridge must not be negative, its tolerance be positive and its sweeps at "
        "least 1.");
  }
  PredictorData data{
      "low_rank",        1, effective_degrees(samples, options.degree), least(samples),
      greatest(samples), {}};
  const auto n = static_cast<Eigen::Index>(samples.size());
  const std::vector<double> weights = relative_weights(samples);
  VectorXd target(n);
  VectorXd root_weight(n);
  for (Eigen::Index j = 0; j < n; ++j) {
    target[j] = samples[std::size_t(j)].accuracy;
    root_weight[j] = std::sqrt(weights[std::size_t(j)]);
  }
  if (target.minCoeff() < 0) throw FitError("A monotone fit needs accuracies of at least 0.");
  const double rms = std::sqrt(target.squaredNorm() / double(n));
  const double scale = rms > 0 ? rms : 1.0;
  target /= scale;

  std::array<MatrixXd, 3> basis;
  std::array<VectorXd, 3> factor;
  std::array<VectorXd, 3> value;
  for (std::size_t i = 0; i < 3; ++i) {
    basis[i] = increments(samples, i, coordinates(data.lower)[i], coordinates(data.upper)[i],
                          data.degree[i]);
    factor[i] = VectorXd::Zero(data.degree[i] + 1);
    factor[i][0] = 1;
    value[i] = VectorXd::Ones(n);
  }
  FitReport report{data.degree, 0, 0, false, 1};
  VectorXd predictions = VectorXd::Ones(n);
  while (!report.converged && report.sweeps < options.max_sweeps) {
    for (std::size_t i = 0; i < 3; ++i) {
      const VectorXd others = value[(i + 1) % 3].cwiseProduct(value[(i + 2) % 3]);
      const VectorXd rows = root_weight.cwiseProduct(others);
      factor[i] = nnls(with_ridge(rows.asDiagonal() * basis[i], options.ridge * double(n)),
                       with_zeros(root_weight.cwiseProduct(target), basis[i].cols()));
      // The first two keep the norm 1, so that the ridge weighs all alike; the third has the scale.
      if (i < 2 && factor[i].norm() > 0) factor[i] /= factor[i].norm();
      value[i] = basis[i] * factor[i];
    }
    ++report.sweeps;
    const VectorXd after = value[0].cwiseProduct(value[1]).cwiseProduct(value[2]);
    report.converged = (after - predictions).lpNorm<Eigen::Infinity>() < options.tolerance;
    predictions = after;
  }
  report.rmse = scale * std::sqrt((predictions - target).squaredNorm() / double(n));
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<double> b;
    double sum = 0;
    for (const double step : factor[i]) b.push_back(sum += step);
    for (double c : powers_of_bernstein(b)) data.coefficients.push_back(i < 2 ? c : c * scale);
  }
  return {LowRank(data), report};
}

}  // namespace trifold::map
