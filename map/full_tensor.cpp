#include "map/full_tensor.h"

#include <cmath>

#include "map/error.h"
#include "map/least_squares.h"
#include "map/samples.h"
#include "map/univariate.h"

namespace trifold::map {
namespace {

/// t^0..t^K of each coordinate, or their derivatives by the coordinate for dimension `derived`.
std::array<std::vector<double>, 3> bases(const PredictorData& data, const Point& p, int derived) {
  std::array<std::vector<double>, 3> result;
  for (std::size_t i = 0; i < 3; ++i) {
    const Univariate range{coordinates(data.lower)[i], coordinates(data.upper)[i], {}};
    const double x = coordinates(p)[i];
    result[i] = powers(range.scaled(x), data.degree[i]);
    if (static_cast<int>(i) != derived) continue;
    for (std::size_t k = 0; k < result[i].size(); ++k) {
      Univariate monomial = range;
      monomial.coefficients.assign(k + 1, 0.0);
      monomial.coefficients[k] = 1;
      result[i][k] = monomial.derivative(x);
    }
  }
  return result;
}

/// The products of the three bases, k fastest.
std::vector<double> products(const std::array<std::vector<double>, 3>& b) {
  std::vector<double> result;
  result.reserve(b[0].size() * b[1].size() * b[2].size());
  for (double x : b[0]) {
    for (double y : b[1]) {
      for (double z : b[2]) result.push_back(x * y * z);
    }
  }
  return result;
}

std::int64_t tensor_size(const std::array<std::int64_t, 3>& degree) {
  return (degree[0] + 1) * (degree[1] + 1) * (degree[2] + 1);
}

double contract(const PredictorData& data, const Point& p, int derived) {
  const auto terms = products(bases(data, p, derived));
  double sum = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) sum += terms[i] * data.coefficients[i];
  return sum;
}

}  // namespace

FullTensor::FullTensor(const PredictorData& data) : data_(data) {
  check_data(data);
  check_count(data, tensor_size(data.degree));
}

double FullTensor::value(const Point& p) const { return contract(data_, p, -1); }

Point FullTensor::gradient(const Point& p) const {
  return {contract(data_, p, 0), contract(data_, p, 1), contract(data_, p, 2)};
}

FullTensorFit fit_full_tensor(const std::vector<Sample>& samples,
                              const FullTensorOptions& options) {
  check_samples(samples);
  if (!(options.ridge >= 0)) throw FitError("The ridge of a fit must not be negative.");
  PredictorData data{
      "full_tensor",     1, effective_degrees(samples, options.degree), least(samples),
      greatest(samples), {}};
  const auto n = static_cast<Eigen::Index>(samples.size());
  const Eigen::Index cols = tensor_size(data.degree);
  Eigen::MatrixXd a(n, cols);
  Eigen::VectorXd y(n);
  Eigen::VectorXd root_weight(n);
  const std::vector<double> weights = relative_weights(samples);
  for (Eigen::Index j = 0; j < n; ++j) {
    const Sample& s = samples[std::size_t(j)];
    const auto row = products(bases(data, s.at, -1));
    a.row(j) = Eigen::Map<const Eigen::RowVectorXd>(row.data(), cols);
    y[j] = s.accuracy;
    root_weight[j] = std::sqrt(weights[std::size_t(j)]);
  }
  // The ridge is relative by construction: the problem is linear, so s cancels.
  const Eigen::VectorXd solution =
      with_ridge(root_weight.asDiagonal() * a, options.ridge * double(n))
          .completeOrthogonalDecomposition()
          .solve(with_zeros(root_weight.asDiagonal() * y, cols));
  if (!solution.allFinite()) {
    throw FitError("The fit did not stay finite; check the accuracies for extreme values.");
  }
  data.coefficients.assign(solution.begin(), solution.end());
  FitReport report{data.degree, std::sqrt((a * solution - y).squaredNorm() / double(n)), 0, true,
                   a.colPivHouseholderQr().rank()};
  return {FullTensor(data), report};
}

}  // namespace trifold::map
