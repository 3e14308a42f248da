#include "map/power_law.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "map/error.h"
#include "map/least_squares.h"
#include "map/nnls.h"
#include "map/samples.h"

namespace trifold::map {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// (exp(h u) - 1) / h: the loss whose first-order value is u.
double loss(double u, double h) { return h > 0 ? std::expm1(h * u) / h : u; }

/// Its derivative by h.
double loss_by_h(double u, double h) {
  const double x = h * u;
  // The difference below cancels for small x; the series' next term is x^2 / 8.
  if (std::abs(x) < 1e-4) return u * u * (0.5 + x / 3);
  return (x * std::exp(x) - std::expm1(x)) / (h * h);
}

/// The least-squares problem in (s_d, s_w, s_r, h) over scaled accuracies.
class Problem {
 public:
  Problem(const std::vector<Sample>& samples, double spread, double ridge)
      : logs_(std::ssize(samples), 3),
        target_(std::ssize(samples)),
        weight_(std::ssize(samples)),
        ridge_(ridge * double(samples.size())) {
    const std::vector<double> weights = relative_weights(samples);
    for (Eigen::Index j = 0; j < target_.size(); ++j) {
      const Sample& s = samples[std::size_t(j)];
      logs_.row(j) << -std::log(s.at.d), -std::log(s.at.w), -std::log(s.at.r);
      target_[j] = s.accuracy / spread;
      weight_[j] = weights[std::size_t(j)];
    }
  }

  /// The slopes that fit best once a given h has turned losses into u (top a little over the best).
  VectorXd start(double h) const {
    const double top = target_.maxCoeff() + 0.01;
    VectorXd u(target_.size());
    for (Eigen::Index j = 0; j < u.size(); ++j) u[j] = std::log1p(h * (top - target_[j])) / h;
    VectorXd theta(4);
    theta << nnls(logs_, u), h;
    return theta;
  }

  VectorXd losses(const VectorXd& theta) const {
    const VectorXd u = logs_ * theta.head(3);
    return u.unaryExpr([&](double x) { return loss(x, theta[3]); });
  }

  /// The best top: the weighted mean of accuracy + loss.
  double top(const VectorXd& theta) const {
    return weight_.dot(target_ + losses(theta)) / weight_.sum();
  }

  VectorXd residuals(const VectorXd& theta) const {
    return (target_ + losses(theta)).array() - top(theta);
  }

  double objective(const VectorXd& theta) const {
    const VectorXd e = residuals(theta);
    return e.cwiseAbs2().dot(weight_) + ridge_ * theta.squaredNorm();
  }

  /// The minimum over theta >= 0 of the problem linearised at `theta`, damped.
  VectorXd step(const VectorXd& theta, double damping) const {
    const VectorXd u = logs_ * theta.head(3);
    MatrixXd jacobian(target_.size(), 4);
    for (Eigen::Index j = 0; j < u.size(); ++j) {
      jacobian.row(j) << logs_.row(j) * std::exp(theta[3] * u[j]), loss_by_h(u[j], theta[3]);
    }
    // With top eliminated, columns count by their departure from the weighted mean.
    jacobian.rowwise() -= (weight_.transpose() * jacobian / weight_.sum()).eval();
    const VectorXd root = weight_.cwiseSqrt();
    jacobian = (root.asDiagonal() * jacobian).eval();
    const VectorXd diagonal =
        (damping * (jacobian.colwise().squaredNorm().transpose().array() + 1e-9)).sqrt();
    MatrixXd a(target_.size() + 8, 4);
    a << jacobian, MatrixXd(diagonal.asDiagonal()), MatrixXd::Identity(4, 4) * std::sqrt(ridge_);
    VectorXd b(a.rows());
    b << jacobian * theta - root.cwiseProduct(residuals(theta)), diagonal.cwiseProduct(theta),
        VectorXd::Zero(4);
    return nnls(a, b);
  }

 private:
  MatrixXd logs_;  ///< -log of the coordinates
  VectorXd target_;
  VectorXd weight_;
  double ridge_;
};

struct Minimum {
  VectorXd theta;
  double objective = INFINITY;
  std::int64_t steps = 0;
  bool converged = false;
};

Minimum levenberg_marquardt(const Problem& problem, const VectorXd& start) {
  constexpr std::int64_t kSteps = 200;
  Minimum m{start, problem.objective(start), 0, false};
  if (!std::isfinite(m.objective)) return m;
  double damping = 1e-3;
  for (; m.steps < kSteps && !m.converged; ++m.steps) {
    const VectorXd theta = problem.step(m.theta, damping);
    const double objective = problem.objective(theta);
    if (objective < m.objective) {
      m.converged = m.objective - objective <= 1e-10 * m.objective;
      m.theta = theta;
      m.objective = objective;
      damping /= 5;
    } else {
      damping *= 4;
      m.converged = damping > 1e6;  // no direction helps
    }
  }
  return m;
}

}  // namespace

PowerLaw::PowerLaw(const PredictorData& data) : data_(data) {
  check_data(data);
  check_count(data, 5);
  if (std::any_of(data.coefficients.begin() + 1, data.coefficients.end(),
                  [](double c) { return c < 0; })) {
    throw FitError("The stored power law has a negative exponent; fit it again.");
  }
}

double PowerLaw::value(const Point& p) const {
  const auto& c = data_.coefficients;
  const double u = -(c[1] * std::log(p.d) + c[2] * std::log(p.w) + c[3] * std::log(p.r));
  return c[0] - loss(u, c[4]);
}

Point PowerLaw::gradient(const Point& p) const {
  const auto& c = data_.coefficients;
  const double u = -(c[1] * std::log(p.d) + c[2] * std::log(p.w) + c[3] * std::log(p.r));
  const double slope = std::exp(c[4] * u);
  return {slope * c[1] / p.d, slope * c[2] / p.w, slope * c[3] / p.r};
}

PowerLawFit fit_power_law(const std::vector<Sample>& samples, double ridge) {
  check_samples(samples);
  if (!(ridge >= 0)) throw FitError("The ridge of a fit must not be negative.");
  if (samples.size() < 5) {
    throw FitError(
        fmt::format("{} samples can't determine the 5 parameters of a power law; add samples.",
                    samples.size()));
  }
  const auto [worst, best] =
      std::minmax_element(samples.begin(), samples.end(),
                          [](const Sample& a, const Sample& b) { return a.accuracy < b.accuracy; });
  const double difference = best->accuracy - worst->accuracy;
  const double spread = difference > 0 ? difference : 1.0;
  const Problem problem(samples, spread, ridge);
  Minimum minimum;
  for (const double h : {0.1, 1.0, 5.0, 25.0}) {
    Minimum m = levenberg_marquardt(problem, problem.start(h));
    if (m.objective < minimum.objective) minimum = std::move(m);
  }
  if (!std::isfinite(minimum.objective)) {
    throw FitError("The fit did not stay finite; check the accuracies for extreme values.");
  }
  const VectorXd& theta = minimum.theta;
  const PredictorData data{"power_law",
                           1,
                           {},
                           least(samples),
                           greatest(samples),
                           {problem.top(theta) * spread, theta[0] * spread, theta[1] * spread,
                            theta[2] * spread, theta[3] / spread}};
  const double rmse =
      spread * std::sqrt(problem.residuals(theta).squaredNorm() / double(samples.size()));
  return {PowerLaw(data), {{}, rmse, minimum.steps, minimum.converged, 5}};
}

}  // namespace trifold::map
