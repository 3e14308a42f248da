#include "map/low_rank.h"

#include <fmt/format.h>

#include <cmath>

#include "map/counter_random.h"
#include "map/error.h"
#include "map/least_squares.h"
#include "map/samples.h"

namespace trifold::map {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// One alternating fit: basis[i] holds the powers (samples x (K_i + 1)) and factors[i] the
/// coefficients ((K_i + 1) x R) of dimension i.
class Alternating {
 public:
  Alternating(const std::array<MatrixXd, 3>& basis, const VectorXd& target,
              const VectorXd& root_weight, std::int64_t rank, double ridge)
      : basis_(basis),
        target_(target),
        root_weight_(root_weight),
        rank_(rank),
        ridge_(ridge * double(target.size())) {}

  /// Start 0: constant factors; further terms and starts add fixed pseudo-random coefficients.
  void start(std::uint64_t number) {
    CounterRandom random(number);
    const double level = std::cbrt(target_.mean() / static_cast<double>(rank_));
    for (std::size_t i = 0; i < 3; ++i) {
      factors[i] = MatrixXd::Zero(basis_[i].cols(), rank_);
      factors[i].row(0).setConstant(level == 0 ? 1.0 : level);
      if (rank_ == 1) continue;
      for (Eigen::Index k = 0; k < factors[i].size(); ++k) {
        factors[i].data()[k] += 2 * random.uniform() - 1;
      }
    }
  }

  void sweep() {
    for (std::size_t i = 0; i < 3; ++i) update(i);
    balance();
  }

  VectorXd predictions() const {
    return (values(0).array() * values(1).array() * values(2).array()).rowwise().sum();
  }

  double objective() const {
    double squares = 0;
    for (const MatrixXd& f : factors) squares += f.squaredNorm();
    return (root_weight_.asDiagonal() * (predictions() - target_)).squaredNorm() + ridge_ * squares;
  }

  std::array<MatrixXd, 3> factors;

 private:
  MatrixXd values(std::size_t i) const { return basis_[i] * factors[i]; }

  void update(std::size_t i) {
    const MatrixXd others = values((i + 1) % 3).array() * values((i + 2) % 3).array();
    const Eigen::Index cols = basis_[i].cols();
    MatrixXd a(target_.size(), cols * rank_);
    for (Eigen::Index q = 0; q < rank_; ++q) {
      a.middleCols(q * cols, cols) = basis_[i].array().colwise() * others.col(q).array();
    }
    const VectorXd solution = with_ridge(root_weight_.asDiagonal() * a, ridge_)
                                  .colPivHouseholderQr()
                                  .solve(with_zeros(root_weight_.asDiagonal() * target_, a.cols()));
    factors[i] = solution.reshaped(cols, rank_);
  }

  /// Gives the three factors of each term the same norm; the product stays and the ridge shrinks.
  void balance() {
    for (Eigen::Index q = 0; q < rank_; ++q) {
      double product = 1;
      for (const MatrixXd& f : factors) product *= f.col(q).norm();
      if (product <= 0) continue;
      const double norm = std::cbrt(product);
      for (MatrixXd& f : factors) f.col(q) *= norm / f.col(q).norm();
    }
  }

  const std::array<MatrixXd, 3>& basis_;
  const VectorXd& target_;
  const VectorXd& root_weight_;
  Eigen::Index rank_;
  double ridge_;
};

}  // namespace

LowRank::LowRank(const PredictorData& data) : data_(data) {
  check_data(data);
  check_count(data, data.rank * (data.degree[0] + data.degree[1] + data.degree[2] + 3));
  auto next = data_.coefficients.begin();
  terms_.resize(static_cast<std::size_t>(data.rank));
  for (Term& term : terms_) {
    for (std::size_t i = 0; i < 3; ++i) {
      const auto end = next + data.degree[i] + 1;
      term[i] = {coordinates(data.lower)[i], coordinates(data.upper)[i], {next, end}};
      next = end;
    }
  }
}

double LowRank::value(const Point& p) const {
  double sum = 0;
  for (const auto& [s, u, v] : terms_) sum += s.value(p.d) * u.value(p.w) * v.value(p.r);
  return sum;
}

Point LowRank::gradient(const Point& p) const {
  Point g{0, 0, 0};
  for (const auto& [s, u, v] : terms_) {
    g.d += s.derivative(p.d) * u.value(p.w) * v.value(p.r);
    g.w += s.value(p.d) * u.derivative(p.w) * v.value(p.r);
    g.r += s.value(p.d) * u.value(p.w) * v.derivative(p.r);
  }
  return g;
}

std::int64_t low_rank_parameters(const std::array<std::int64_t, 3>& degree, std::int64_t rank) {
  return rank * (degree[0] + degree[1] + degree[2] + 3) - 2 * rank;
}

void check_determined(const std::vector<Sample>& samples, const LowRankOptions& options) {
  check_samples(samples);
  const std::array<std::int64_t, 3> degree = effective_degrees(samples, options.degree);
  if (options.rank < 1 || options.rank > 64 || options.starts < 1 || options.max_sweeps < 1 ||
      !(options.ridge >= 0) || !(options.tolerance > 0)) {
    throw FitError(
        "The fit's rank must lie in 1 to 64, starts and sweeps be at least 1, the ridge not "
        "negative "
        "and the tolerance positive.");
  }
  if (options.rank >= 2 && axis_only(samples)) {
    throw FitError(fmt::format(
        "Rank {} can't be determined from samples that all lie on axes through one point; use rank "
        "1 or add samples with two or more dimensions pruned.",
        options.rank));
  }
  const std::int64_t free = low_rank_parameters(degree, options.rank);
  if (static_cast<std::int64_t>(samples.size()) < free) {
    throw FitError(
        fmt::format("{} samples can't determine the {} free parameters of the rank-{} fit; add "
                    "samples or lower "
                    "rank or degree.",
                    samples.size(), free, options.rank));
  }
}

LowRankFit fit_low_rank(const std::vector<Sample>& samples, const LowRankOptions& options) {
  check_determined(samples, options);
  PredictorData data{"low_rank",     options.rank,      effective_degrees(samples, options.degree),
                     least(samples), greatest(samples), {}};

  const auto n = static_cast<Eigen::Index>(samples.size());
  VectorXd target(n);
  VectorXd root_weight(n);
  const std::vector<double> weights = relative_weights(samples);
  for (Eigen::Index j = 0; j < n; ++j) {
    target[j] = samples[std::size_t(j)].accuracy;
    root_weight[j] = std::sqrt(weights[std::size_t(j)]);
  }
  const double rms = std::sqrt(target.squaredNorm() / double(n));
  const double scale = rms > 0 ? rms : 1.0;
  target /= scale;
  std::array<MatrixXd, 3> basis;
  for (std::size_t i = 0; i < 3; ++i) {
    const Univariate range{coordinates(data.lower)[i], coordinates(data.upper)[i], {}};
    basis[i].resize(n, data.degree[i] + 1);
    for (Eigen::Index j = 0; j < n; ++j) {
      const auto row =
          powers(range.scaled(coordinates(samples[std::size_t(j)].at)[i]), data.degree[i]);
      basis[i].row(j) = Eigen::Map<const Eigen::RowVectorXd>(row.data(), data.degree[i] + 1);
    }
  }

  FitReport report{data.degree, 0, 0, false, options.rank};
  std::array<MatrixXd, 3> best;
  double best_objective = INFINITY;
  const std::int64_t starts = options.rank == 1 ? 1 : options.starts;
  for (std::int64_t start = 0; start < starts; ++start) {
    Alternating fit(basis, target, root_weight, options.rank, options.ridge);
    fit.start(std::uint64_t(start));
    VectorXd before = fit.predictions();
    std::int64_t sweeps = 0;
    bool converged = false;
    while (!converged && sweeps < options.max_sweeps) {
      fit.sweep();
      ++sweeps;
      const VectorXd after = fit.predictions();
      converged = (after - before).lpNorm<Eigen::Infinity>() < options.tolerance;
      before = after;
    }
    if (const double objective = fit.objective(); objective < best_objective) {
      best_objective = objective;
      best = fit.factors;
      report.sweeps = sweeps;
      report.converged = converged;
      report.rmse = scale * std::sqrt((before - target).squaredNorm() / double(n));
    }
  }
  if (!std::isfinite(best_objective)) {
    throw FitError("The fit did not stay finite; check the accuracies for extreme values.");
  }
  for (Eigen::Index q = 0; q < options.rank; ++q) {
    for (const MatrixXd& factor : best) {
      for (double c : factor.col(q)) data.coefficients.push_back(c * std::cbrt(scale));
    }
  }
  return {LowRank(data), report};
}

}  // namespace trifold::map
