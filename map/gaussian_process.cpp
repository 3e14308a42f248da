#include "map/gaussian_process.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "map/error.h"
#include "map/samples.h"

namespace trifold::map {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr std::size_t kHeader = 4;
constexpr std::size_t kPerSample = 5;
constexpr std::size_t kMaxSamples = 4096;

Eigen::Vector3d logarithms(const Point& p) { return {std::log(p.d), std::log(p.w), std::log(p.r)}; }

std::vector<Sample> stored_samples(const PredictorData& data) {
  check_data(data);
  const auto& c = data.coefficients;
  const std::size_t count = c.size() < kHeader ? 0 : (c.size() - kHeader) / kPerSample;
  if (count < 1 || count > kMaxSamples || c.size() != kHeader + count * kPerSample ||
      std::any_of(c.begin(), c.begin() + kHeader, [](double x) { return !(x > 0); })) {
    throw FitError(fmt::format(
        "The stored Gaussian process has {} coefficients; it needs a positive noise ratio, three "
        "positive lengths and 5 numbers for each of 1 to {} samples.",
        c.size(), kMaxSamples));
  }
  std::vector<Sample> samples;
  for (auto s = c.begin() + kHeader; s != c.end(); s += kPerSample) {
    samples.push_back({{s[0], s[1], s[2]}, s[3], s[4]});
  }
  check_samples(samples);
  return samples;
}

}  // namespace

/// What the samples leave of the process, in units of its variance v.
struct GaussianProcess::Posterior {
  explicit Posterior(const PredictorData& data) : Posterior(data, stored_samples(data)) {}

  Posterior(const PredictorData& data, const std::vector<Sample>& samples)
      : lengths(data.coefficients[1], data.coefficients[2], data.coefficients[3]),
        at(3, std::ssize(samples)) {
    const Eigen::Index n = at.cols();
    VectorXd y(n);
    for (Eigen::Index j = 0; j < n; ++j) {
      at.col(j) = logarithms(samples[std::size_t(j)].at);
      y[j] = samples[std::size_t(j)].accuracy;
    }
    const auto low = coordinates(data.lower);
    const auto high = coordinates(data.upper);
    for (Eigen::Index i = 0; i < 3; ++i) {
      if (high[std::size_t(i)] > low[std::size_t(i)]) varied.push_back(i);
    }
    MatrixXd k(n, n);
    MatrixXd h(n, std::ssize(varied) + 1);
    for (Eigen::Index j = 0; j < n; ++j) {
      k.col(j) = covariance(at.col(j));
      k(j, j) += data.coefficients[0] / samples[std::size_t(j)].weight;
      h.row(j) = trend(at.col(j)).transpose();
    }
    cholesky.compute(k);
    if (n < h.cols() + 2 || cholesky.info() != Eigen::Success) {
      throw FitError(fmt::format(
          "A Gaussian process over {} dimensions can't be made of {} samples; add samples.",
          varied.size(), n));
    }
    k_inverse_h = cholesky.solve(h);
    const MatrixXd information = h.transpose() * k_inverse_h;
    trend_cholesky.compute(information);
    if (trend_cholesky.info() != Eigen::Success) {
      throw FitError("The samples of a Gaussian process must span their dimensions; add samples.");
    }
    b = trend_cholesky.solve(k_inverse_h.transpose() * y);
    const VectorXd e = y - h * b;
    a = cholesky.solve(e);
    const auto freedom = double(n - h.cols());
    v = e.dot(a) / freedom;
    const auto log_determinant = [](const Eigen::LLT<MatrixXd>& c) {
      return 2 * MatrixXd(c.matrixL()).diagonal().array().log().sum();
    };
    // Data without any residual have an unbounded likelihood; the floor keeps it finite.
    const double floor = 1e-24 * (1 + y.squaredNorm() / double(n));
    log_likelihood = -0.5 * (freedom * std::log(std::max(v, floor)) + log_determinant(cholesky) +
                             log_determinant(trend_cholesky));
  }

  VectorXd covariance(const Eigen::Vector3d& l) const {
    const auto scaled = (at.colwise() - l).array().colwise() / lengths.array();
    return (-0.5 * scaled.square().colwise().sum()).exp().transpose();
  }

  VectorXd trend(const Eigen::Vector3d& l) const {
    VectorXd h(std::ssize(varied) + 1);
    h << 1, l(varied);
    return h;
  }

  Eigen::Vector3d lengths;
  Eigen::Matrix3Xd at;                 ///< logarithms of the samples' coordinates
  std::vector<Eigen::Index> varied{};  ///< axes of the trend
  Eigen::LLT<MatrixXd> cholesky{};     ///< of the samples' covariance
  Eigen::LLT<MatrixXd> trend_cholesky{};
  MatrixXd k_inverse_h{};
  VectorXd b{};
  VectorXd a{};  ///< covariance^-1 of the residuals
  double v = 0;
  double log_likelihood = 0;
};

GaussianProcess::GaussianProcess(const PredictorData& data)
    : data_(data), posterior_(std::make_shared<const Posterior>(data)) {}

GaussianProcess::~GaussianProcess() = default;

double GaussianProcess::value(const Point& p) const {
  const Eigen::Vector3d l = logarithms(p);
  return posterior_->trend(l).dot(posterior_->b) + posterior_->covariance(l).dot(posterior_->a);
}

Point GaussianProcess::gradient(const Point& p) const {
  const Eigen::Vector3d l = logarithms(p);
  const VectorXd weighted = posterior_->covariance(l).cwiseProduct(posterior_->a);
  Eigen::Vector3d slope =
      ((posterior_->at.colwise() - l) * weighted).array() / posterior_->lengths.array().square();
  for (std::size_t i = 0; i < posterior_->varied.size(); ++i) {
    slope[posterior_->varied[i]] += posterior_->b[Eigen::Index(i) + 1];
  }
  return {slope[0] / p.d, slope[1] / p.w, slope[2] / p.r};
}

double GaussianProcess::variance(const Point& p) const {
  const Eigen::Vector3d l = logarithms(p);
  const VectorXd k = posterior_->covariance(l);
  const VectorXd u = posterior_->trend(l) - posterior_->k_inverse_h.transpose() * k;
  const double share =
      1 - k.dot(posterior_->cholesky.solve(k)) + u.dot(posterior_->trend_cholesky.solve(u));
  return posterior_->v * std::max(0.0, share);
}

double GaussianProcess::log_likelihood() const { return posterior_->log_likelihood; }

GaussianProcessFit fit_gaussian_process(const std::vector<Sample>& samples) {
  check_samples(samples);
  PredictorData data{"gaussian_process", 1, {}, least(samples), greatest(samples), {}};
  std::array<double, 3> range{};
  std::vector<std::size_t> free{0};  // the noise and the lengths of the varied axes
  for (std::size_t i = 0; i < 3; ++i) {
    range[i] = std::log(coordinates(data.upper)[i] / coordinates(data.lower)[i]);
    if (range[i] > 0) free.push_back(i + 1);
    if (range[i] == 0) range[i] = 1;
  }
  data.coefficients.assign(kHeader, 1.0);
  for (const Sample& s : samples) {
    for (double x : {s.at.d, s.at.w, s.at.r, s.accuracy, s.weight}) data.coefficients.push_back(x);
  }
  // In logarithms to base 2: the noise ratio, and the lengths relative to the range.
  using Parameters = std::array<double, 4>;
  constexpr Parameters kLeast{-20, -2, -2, -2};
  constexpr Parameters kGreatest{3.3, 4, 4, 4};
  const auto with = [&](const Parameters& u) {
    data.coefficients[0] = std::exp2(u[0]);
    for (std::size_t i = 0; i < 3; ++i) data.coefficients[1 + i] = range[i] * std::exp2(u[1 + i]);
    return data;
  };
  std::int64_t evaluations = 0;
  const auto likelihood = [&](const Parameters& u) {
    ++evaluations;
    return GaussianProcess(with(u)).log_likelihood();
  };
  Parameters best{-8, 1, 1, 1};
  double most = likelihood(best);
  const auto consider = [&](const Parameters& u) {
    const double value = likelihood(u);
    if (!(value > most)) return;
    best = u;
    most = value;
  };
  for (const double noise : {-12.0, -6.0, -1.0}) {
    for (int cell = 0; cell < 27; ++cell) {
      Parameters u{noise, 1, 1, 1};
      const std::array<int, 3> digit{cell % 3, cell / 3 % 3, cell / 9};
      bool repeated = false;
      for (std::size_t i = 0; i < 3; ++i) {
        const bool varied = std::ranges::count(free, i + 1) > 0;
        repeated = repeated || (!varied && digit[i] > 0);
        if (varied) u[1 + i] = std::array{-0.5, 1.0, 3.0}[std::size_t(digit[i])];
      }
      if (!repeated) consider(u);
    }
  }
  for (double step = 2; step > 0.2;) {
    const double before = most;
    for (const std::size_t i : free) {
      for (const double sign : {-1.0, 1.0}) {
        Parameters u = best;
        u[i] = std::clamp(u[i] + sign * step, kLeast[i], kGreatest[i]);
        if (u != best) consider(u);
      }
    }
    if (!(most > before + 1e-6)) step /= 2;
  }
  GaussianProcess model(with(best));
  double squares = 0;
  for (const Sample& s : samples) squares += std::pow(model.value(s.at) - s.accuracy, 2);
  return {model,
          {{}, std::sqrt(squares / double(samples.size())), evaluations, true, std::ssize(free)}};
}

}  // namespace trifold::map
