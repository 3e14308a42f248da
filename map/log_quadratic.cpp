#include "map/log_quadratic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "map/error.h"
#include "map/least_squares.h"
#include "map/nnls.h"
#include "map/samples.h"

namespace trifold::map {
namespace {

constexpr std::array<std::array<std::size_t, 2>, 3> kPairs{{{0, 1}, {0, 2}, {1, 2}}};

std::array<double, 3> log_coordinates(const Point& p) {
  return {std::log(p.d), std::log(p.w), std::log(p.r)};
}

/// The ten terms at l.
std::array<double, 10> terms(const std::array<double, 3>& l) {
  return {1,           l[0],        l[1],        l[2],        l[0] * l[0],
          l[1] * l[1], l[2] * l[2], l[0] * l[1], l[0] * l[2], l[1] * l[2]};
}

/// The least-squares solution with linear coefficients of at least and all others of at most 0. The
/// constant, column 0, is free: the difference of two unknowns of at least 0.
Eigen::VectorXd solve_signed(const Eigen::MatrixXd& a, const Eigen::VectorXd& y,
                             const std::vector<std::size_t>& kept) {
  Eigen::MatrixXd columns(a.rows(), a.cols() + 1);
  columns << a, -a.col(0);
  for (Eigen::Index k = 0; k < a.cols(); ++k) {
    if (kept[std::size_t(k)] > 3) columns.col(k) *= -1;
  }
  const Eigen::VectorXd x = nnls(columns, y);
  Eigen::VectorXd solution = x.head(a.cols());
  solution[0] -= x[a.cols()];
  for (Eigen::Index k = 0; k < a.cols(); ++k) {
    if (kept[std::size_t(k)] > 3) solution[k] *= -1;
  }
  return solution;
}

}  // namespace

LogQuadratic::LogQuadratic(const PredictorData& data) : data_(data) {
  check_data(data);
  check_count(data, 10);
}

double LogQuadratic::value(const Point& p) const {
  const auto t = terms(log_coordinates(p));
  double sum = 0;
  for (std::size_t i = 0; i < t.size(); ++i) sum += data_.coefficients[i] * t[i];
  return std::exp(sum);
}

Point LogQuadratic::gradient(const Point& p) const {
  const auto& c = data_.coefficients;
  const auto l = log_coordinates(p);
  std::array<double, 3> slope{};  // of log F by l
  for (std::size_t i = 0; i < 3; ++i) slope[i] = c[1 + i] + 2 * c[4 + i] * l[i];
  for (std::size_t k = 0; k < 3; ++k) {
    const auto [i, j] = kPairs[k];
    slope[i] += c[7 + k] * l[j];
    slope[j] += c[7 + k] * l[i];
  }
  const double f = value(p);
  return {f * slope[0] / p.d, f * slope[1] / p.w, f * slope[2] / p.r};
}

std::vector<bool> log_quadratic_terms(const std::vector<Sample>& samples) {
  std::vector<bool> used(10, false);
  used[0] = true;
  for (std::size_t i = 0; i < 3; ++i) {
    std::set<double> distinct;
    for (const Sample& s : samples) distinct.insert(coordinates(s.at)[i]);
    used[1 + i] = distinct.size() >= 2;
    used[4 + i] = distinct.size() >= 3;
  }
  const auto top = coordinates(greatest(samples));
  for (std::size_t k = 0; k < 3; ++k) {
    used[7 + k] = std::any_of(samples.begin(), samples.end(), [&](const Sample& s) {
      const auto x = coordinates(s.at);
      return std::ranges::all_of(kPairs[k], [&](std::size_t i) { return x[i] < top[i]; });
    });
  }
  return used;
}

LogQuadraticFit fit_log_quadratic(const std::vector<Sample>& samples,
                                  const LogQuadraticOptions& options) {
  check_samples(samples);
  if (!(options.ridge >= 0)) throw FitError("The ridge of a fit must not be negative.");
  const std::vector<bool> used = log_quadratic_terms(samples);
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) kept.push_back(i);
  }
  if (samples.size() < kept.size()) {
    throw FitError(fmt::format(
        "{} samples can't determine the {} terms of the log-quadratic fit; add samples.",
        samples.size(), kept.size()));
  }
  PredictorData data{
      "log_quadratic", 1, {}, least(samples), greatest(samples), std::vector<double>(10, 0.0)};
  std::array<double, 3> range{};
  for (std::size_t i = 0; i < 3; ++i) {
    range[i] = std::log(coordinates(data.upper)[i] / coordinates(data.lower)[i]);
    if (range[i] == 0) range[i] = 1;
  }
  const auto scales = terms(range);
  const auto n = static_cast<Eigen::Index>(samples.size());
  const auto cols = static_cast<Eigen::Index>(kept.size());
  const std::vector<double> weights = relative_weights(samples);
  double squares = 0;
  for (const Sample& s : samples) squares += s.accuracy * s.accuracy;
  const double rms = std::sqrt(squares / double(n));
  Eigen::MatrixXd a(n + cols - 1, cols);
  Eigen::VectorXd y = Eigen::VectorXd::Zero(a.rows());
  a.setZero();
  for (Eigen::Index j = 0; j < n; ++j) {
    const Sample& s = samples[std::size_t(j)];
    if (!(s.accuracy > 0)) throw FitError("A log-quadratic fit needs accuracies above 0.");
    const double row_weight = std::sqrt(weights[std::size_t(j)]) * s.accuracy / rms;
    const auto t = terms(log_coordinates(s.at));
    for (Eigen::Index k = 0; k < cols; ++k) {
      a(j, k) = row_weight * t[kept[std::size_t(k)]] / scales[kept[std::size_t(k)]];
    }
    y[j] = row_weight * std::log(s.accuracy / rms);
  }
  // The ridge leaves the constant, column 0, alone.
  a.bottomRightCorner(cols - 1, cols - 1)
      .diagonal()
      .setConstant(std::sqrt(options.ridge * double(n)));
  const Eigen::VectorXd solution =
      options.monotone ? solve_signed(a, y, kept) : a.colPivHouseholderQr().solve(y);
  for (Eigen::Index k = 0; k < cols; ++k) {
    data.coefficients[kept[std::size_t(k)]] = solution[k] / scales[kept[std::size_t(k)]];
  }
  data.coefficients[0] += std::log(rms);
  LogQuadratic model(data);
  squares = 0;
  for (const Sample& s : samples) squares += std::pow(model.value(s.at) - s.accuracy, 2);
  return {model, {{}, std::sqrt(squares / double(n)), 0, true, cols}};
}

}  // namespace trifold::map
