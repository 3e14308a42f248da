/// The forms of the single families: recovery of known functions, bounds, closed forms.
#include <gtest/gtest.h>

#include <Eigen/Dense>

#include "map/bernstein.h"
#include "map/error.h"
#include "map/gaussian_process.h"
#include "map/log_quadratic.h"
#include "map/monotone.h"
#include "map/power_law.h"
#include "map/solve_continuous.h"
#include "tests/map/test_support.h"

namespace trifold::map {
namespace {

using testing::axis_points;
using testing::grid_points;
using testing::polynomial;
using testing::sample;

TEST(Bernstein, SumsToOneAndConvertsToPowers) {
  EXPECT_EQ(bernstein(0, 3), (std::vector<double>{1, 0, 0, 0}));
  EXPECT_EQ(bernstein(1, 3), (std::vector<double>{0, 0, 0, 1}));
  EXPECT_EQ(bernstein(0.5, 2), (std::vector<double>{0.25, 0.5, 0.25}));
  const std::vector<double> b{0.3, 1.1, -2, 4, 0.5};
  const auto c = powers_of_bernstein(b);
  ASSERT_EQ(c.size(), b.size());
  for (const double u : {0.0, 0.2, 0.37, 0.9, 1.0}) {
    const auto basis = bernstein(u, 4);
    double sum = 0;
    double one = 0;
    for (std::size_t k = 0; k < 5; ++k) {
      sum += b[k] * basis[k];
      one += basis[k];
    }
    EXPECT_NEAR(one, 1, 1e-15);
    EXPECT_NEAR(polynomial(c, 2 * u - 1), sum, 1e-13);
  }
}

TEST(Monotone, RecoversAProductOfRisingCubics) {
  const auto truth = [](const Point& p) {
    return 90 * (0.5 + 0.5 * p.d) * (1 - 0.3 * std::pow(1 - p.w, 3)) * (0.8 + 0.2 * p.r * p.r);
  };
  const auto fit = fit_monotone(sample(axis_points(), truth), {.ridge = 1e-14});
  EXPECT_TRUE(fit.report.converged);
  EXPECT_LT(fit.report.rmse, 1e-5);
  for (const Point& p : grid_points(5)) EXPECT_NEAR(fit.model.value(p), truth(p), 1e-4);
}

TEST(Monotone, FlattensARiseTowardsLessCapacity) {
  // The measured "U" of a width axis: a fit that can't fall levels it, and keeps the drop at the
  // top; the narrow end is then no reason to prune the width.
  const std::vector<Sample> samples{{{1, 1, 1}, 90.9},    {{1, 0.95, 1}, 88.5}, {{1, 0.9, 1}, 88.6},
                                    {{1, 0.85, 1}, 88.8}, {{1, 0.81, 1}, 88.8}, {{0.9, 1, 1}, 90.6},
                                    {{0.75, 1, 1}, 90.2}, {{0.6, 1, 1}, 89.4},  {{1, 1, 0.9}, 90.7},
                                    {{1, 1, 0.8}, 90.3},  {{1, 1, 0.72}, 89.5}};
  const auto model = fit_monotone(samples).model;
  EXPECT_NEAR(model.value({1, 0.81, 1}), 88.7, 0.3);
  EXPECT_NEAR(model.value({1, 1, 1}), 90.9, 0.25);
  const auto s = solve_continuous(model, CostModel::paper(), 0.7, model.lower());
  for (double e : s.accuracy_elasticity) EXPECT_GT(e, -1e-9);
  EXPECT_TRUE(is_kkt_point(s));
  // The paper's cubic follows the U and falls as w grows.
  const auto cubic = fit_low_rank(samples).model;
  EXPECT_LT(cubic.gradient({1, 0.87, 1}).w, -1);
}

TEST(Monotone, ConstantAxesAndRefusals) {
  const std::vector<Sample> line{{{1, 1, 1}, 0.9}, {{0.8, 1, 1}, 0.8}, {{0.6, 1, 1}, 0.6}};
  EXPECT_NEAR(fit_monotone(line).model.value({0.8, 1, 1}), 0.8, 1e-4);
  EXPECT_THROW(fit_monotone({{{1, 1, 1}, -0.1}}), FitError);
  EXPECT_THROW(fit_monotone(line, {.ridge = -1}), FitError);
  EXPECT_THROW(fit_monotone(line, {.max_sweeps = 0}), FitError);
  EXPECT_EQ(fit_monotone({{{1, 1, 1}, 0}, {{0.5, 1, 1}, 0}}).model.value({1, 1, 1}), 0);
}

TEST(LogQuadratic, RecoversItsOwnForm) {
  const auto truth = [](const Point& p) {
    const double d = std::log(p.d), w = std::log(p.w), r = std::log(p.r);
    return 90 * std::exp(0.02 * d + 0.05 * w + 0.04 * r - 0.03 * d * d - 0.06 * w * w +
                         0.01 * r * r - 0.02 * d * w + 0.03 * d * r - 0.01 * w * r);
  };
  const auto fit = fit_log_quadratic(sample(grid_points(3), truth), {.ridge = 0});
  EXPECT_LT(fit.report.rmse, 1e-10);
  for (const Point& p : grid_points(4)) EXPECT_NEAR(fit.model.value(p), truth(p), 1e-9);
  EXPECT_NEAR(fit.model.data().coefficients[8], 0.03, 1e-9);
  // On the axes alone the pairs stay out.
  const auto axes = fit_log_quadratic(sample(axis_points(), truth)).model.data().coefficients;
  EXPECT_EQ(axes[7], 0);
  EXPECT_EQ(axes[8], 0);
  EXPECT_EQ(axes[9], 0);
}

TEST(LogQuadratic, KktPointSolvesTheLinearEquations) {
  // e_i = a_i + 2 b_i l_i = m c_i with c = (1, 2, 2) and sum c_i l_i = log T.
  const PredictorData data{
      "log_quadratic", 1,         {},
      {0.2, 0.2, 0.2}, {1, 1, 1}, {4.5, 0.02, 0.03, 0.05, -0.1, -0.2, -0.15, 0, 0, 0}};
  Eigen::Matrix4d a;
  a << -0.2, 0, 0, -1, 0, -0.4, 0, -2, 0, 0, -0.3, -2, 1, 2, 2, 0;
  const Eigen::Vector4d x = a.lu().solve(Eigen::Vector4d(-0.02, -0.03, -0.05, std::log(0.3)));
  const auto s = solve_continuous(LogQuadratic(data), CostModel::paper(), 0.3, {0.2, 0.2, 0.2});
  EXPECT_NEAR(std::log(s.at.d), x[0], 1e-5);
  EXPECT_NEAR(std::log(s.at.w), x[1], 1e-5);
  EXPECT_NEAR(std::log(s.at.r), x[2], 1e-5);
  EXPECT_NEAR(s.multiplier, x[3], 1e-5);
}

TEST(LogQuadratic, MonotoneFormKeepsItsSigns) {
  const auto truth = [](const Point& p) {
    const double d = std::log(p.d), w = std::log(p.w), r = std::log(p.r);
    return 90 * std::exp(0.02 * d + 0.05 * w - 0.03 * d * d - 0.06 * r * r - 0.04 * w * r);
  };
  const auto own = fit_log_quadratic(sample(grid_points(4), truth), {.monotone = true, .ridge = 0});
  for (const Point& p : grid_points(5)) EXPECT_NEAR(own.model.value(p), truth(p), 1e-8);
  // Data that rise where each dimension falls, and where two fall at once.
  const auto adverse = sample(grid_points(4), [](const Point& p) {
    return 80 + 5 * (1 - p.d) + 3 * (1 - p.w) * (1 - p.r) - 2 * (1 - p.r);
  });
  const auto c = fit_log_quadratic(adverse, {.monotone = true}).model.data().coefficients;
  for (std::size_t i = 1; i < 10; ++i) EXPECT_GE(i < 4 ? c[i] : -c[i], 0) << i;
  EXPECT_EQ(c[1], 0);
  EXPECT_GT(c[3], 0);
}

TEST(LogQuadratic, Refusals) {
  EXPECT_THROW(fit_log_quadratic({{{1, 1, 1}, 0}}), FitError);
  EXPECT_THROW(fit_log_quadratic({{{1, 1, 1}, 1}, {{0.5, 0.5, 1}, 1}}), FitError);
  EXPECT_THROW(fit_log_quadratic({{{1, 1, 1}, 1}}, {.ridge = -1}), FitError);
}

TEST(PowerLaw, RecoversErrorsThatAreOne) {
  std::mt19937_64 random(31);
  for (int trial = 0; trial < 20; ++trial) {
    SCOPED_TRACE(trial);
    const double offset = testing::uniform(random, 2, 6);
    const double c = testing::uniform(random, 1, 5);
    const double a = testing::uniform(random, 0.1, 1), b = testing::uniform(random, 0.3, 2),
                 g = testing::uniform(random, 0.3, 2);
    const auto truth = [&](const Point& p) {
      return 100 - offset - c * std::pow(p.d, -a) * std::pow(p.w, -b) * std::pow(p.r, -g);
    };
    const auto fit = fit_power_law(sample(axis_points(), truth), 1e-12);
    EXPECT_TRUE(fit.report.converged);
    EXPECT_LT(fit.report.rmse, 1e-3);
    for (const Point& p : grid_points(4, 0.5)) EXPECT_NEAR(fit.model.value(p), truth(p), 0.02);
    const auto& k = fit.model.data().coefficients;
    EXPECT_NEAR(k[4] * k[2], b, 0.02 * b);  // the exponent of the width
  }
}

TEST(PowerLaw, MatchesTheLeastSquaresOfAFineGrid) {
  // One axis and noise: brute force over the exponent, top and c by the normal equations.
  std::mt19937_64 random(32);
  std::vector<Sample> samples;
  for (double x = 1; x > 0.35; x -= 0.1) {
    samples.push_back(
        {{x, 1, 1}, 95 - 2 * std::pow(x, -1.5) + testing::uniform(random, -0.1, 0.1)});
  }
  double best = INFINITY;
  for (double exponent = 0.01; exponent < 6; exponent += 0.001) {
    Eigen::MatrixXd a(std::ssize(samples), 2);
    Eigen::VectorXd y(a.rows());
    for (Eigen::Index j = 0; j < a.rows(); ++j) {
      a.row(j) << 1, std::pow(samples[std::size_t(j)].at.d, -exponent);
      y[j] = samples[std::size_t(j)].accuracy;
    }
    const Eigen::VectorXd k = a.colPivHouseholderQr().solve(y);
    if (k[1] < 0) best = std::min(best, (a * k - y).norm());
  }
  const double rmse = fit_power_law(samples, 0).report.rmse;
  EXPECT_NEAR(rmse, best / std::sqrt(double(samples.size())), 1e-6);
}

TEST(PowerLaw, StaysMonotoneAndFiniteOnAdverseData) {
  for (const auto& f : std::vector<std::function<double(const Point&)>>{
           [](const Point&) { return 5.0; }, [](const Point& p) { return 90 - 5 * p.w; },
           [](const Point& p) { return p.d < 0.5 ? 10.0 : 90.0; },
           [](const Point& p) { return 1e-3 * p.r; }}) {
    const auto fit = fit_power_law(sample(axis_points(), f));
    for (const Point& p : grid_points(4)) {
      EXPECT_TRUE(std::isfinite(fit.model.value(p)));
      for (double slope : coordinates(fit.model.gradient(p))) EXPECT_GE(slope, 0);
    }
  }
  EXPECT_THROW(fit_power_law({{{1, 1, 1}, 1}, {{0.5, 1, 1}, 1}}), FitError);
  EXPECT_THROW(fit_power_law(sample(axis_points(), [](const Point&) { return 1.0; }), -1),
               FitError);
  PredictorData data =
      fit_power_law(sample(axis_points(), [](const Point& p) { return p.d; })).model.data();
  data.coefficients[2] = -1;
  EXPECT_THROW(PowerLaw{data}, FitError);
}

/// Mean, variance and restricted likelihood by inverses and determinants, from the definitions.
struct DensePosterior {
  double mean, variance, log_likelihood;
};

DensePosterior dense(const std::vector<Sample>& samples, const std::vector<double>& t,
                     const Point& at) {
  const auto n = std::ssize(samples);
  const auto logs = [](const Point& p) {
    return Eigen::Vector3d(std::log(p.d), std::log(p.w), std::log(p.r));
  };
  const auto k = [&](const Point& a, const Point& b) {
    double sum = 0;
    for (int i = 0; i < 3; ++i)
      sum += std::pow((logs(a)[i] - logs(b)[i]) / t[std::size_t(i) + 1], 2);
    return std::exp(-sum / 2);
  };
  Eigen::MatrixXd c(n, n), h(n, 4);
  Eigen::VectorXd y(n), cross(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const Sample& s = samples[std::size_t(i)];
    for (Eigen::Index j = 0; j < n; ++j) c(i, j) = k(s.at, samples[std::size_t(j)].at);
    c(i, i) += t[0] / s.weight;
    h.row(i) << 1, logs(s.at).transpose();
    y[i] = s.accuracy;
    cross[i] = k(s.at, at);
  }
  const Eigen::MatrixXd ci = c.inverse();
  const Eigen::MatrixXd information = h.transpose() * ci * h;
  const Eigen::VectorXd b = information.inverse() * h.transpose() * ci * y;
  const Eigen::VectorXd e = y - h * b;
  const double v = e.dot(ci * e) / double(n - 4);
  Eigen::VectorXd h0(4);
  h0 << 1, logs(at);
  const Eigen::VectorXd u = h0 - h.transpose() * ci * cross;
  return {h0.dot(b) + cross.dot(ci * e),
          v * (1 - cross.dot(ci * cross) + u.dot(information.inverse() * u)),
          -0.5 * (double(n - 4) * std::log(v) + std::log(c.determinant()) +
                  std::log(information.determinant()))};
}

std::vector<Sample> wavy() {
  std::mt19937_64 random(33);
  return sample(axis_points(), [&](const Point& p) {
    return 90 - 4 * std::pow(1 - p.d, 2) - 6 * (1 - p.w) + std::sin(5 * p.r) +
           testing::uniform(random, -0.2, 0.2);
  });
}

TEST(GaussianProcess, MatchesTheFormulasByDenseInverses) {
  auto samples = wavy();
  samples[2].weight = 3;
  const GaussianProcess model = fit_gaussian_process(samples).model;
  const auto c = model.data().coefficients;
  for (const Point& p : grid_points(3, 0.45)) {
    const auto reference = dense(samples, c, p);
    EXPECT_NEAR(model.value(p), reference.mean, 1e-6);
    EXPECT_NEAR(model.variance(p), reference.variance, 1e-6 * (1 + reference.variance));
    EXPECT_NEAR(model.log_likelihood(), reference.log_likelihood, 1e-6);
  }
}

TEST(GaussianProcess, WeightTwoCountsAsTwoSamplesAtGivenParameters) {
  auto samples = wavy();
  samples[4].weight = 2;
  PredictorData weighted = fit_gaussian_process(samples).model.data();
  PredictorData repeated = weighted;
  repeated.coefficients[4 + 5 * 4 + 4] = 1;
  const auto first = repeated.coefficients.begin() + 4 + 5 * 4;
  const std::vector<double> again(first, first + 5);
  repeated.coefficients.insert(repeated.coefficients.end(), again.begin(), again.end());
  const GaussianProcess a(weighted);
  const GaussianProcess b(repeated);
  for (const Point& p : grid_points(3)) EXPECT_NEAR(a.value(p), b.value(p), 1e-7);
}

TEST(GaussianProcess, LikelihoodBeatsAGridOfParameters) {
  const auto samples = wavy();
  const double found = fit_gaussian_process(samples).model.log_likelihood();
  for (const double noise : {1e-5, 1e-3, 1e-2, 1e-1, 1.0}) {
    for (const double d : {0.3, 0.6, 1.2, 4.0}) {
      for (const double w : {0.3, 0.6, 1.2, 4.0}) {
        for (const double r : {0.3, 0.6, 1.2, 4.0}) {
          EXPECT_GE(found + 0.1, dense(samples, {noise, d, w, r}, {1, 1, 1}).log_likelihood)
              << noise << ' ' << d << ' ' << w << ' ' << r;
        }
      }
    }
  }
}

TEST(GaussianProcess, InterpolatesSmoothDataAndDoubtsWhatIsFar) {
  const auto truth = [](const Point& p) {
    return 90 - 3 * std::pow(1 - p.d, 2) - 5 * std::pow(1 - p.w, 2) - 4 * (1 - p.r);
  };
  const auto samples = sample(axis_points(), truth);
  const GaussianProcess model = fit_gaussian_process(samples).model;
  for (const Sample& s : samples) {
    EXPECT_NEAR(model.value(s.at), s.accuracy, 0.05);
    EXPECT_LT(model.variance(s.at), model.variance({0.5, 0.5, 0.5}));
  }
}

TEST(GaussianProcess, Refusals) {
  EXPECT_THROW(fit_gaussian_process({{{1, 1, 1}, 1}, {{0.5, 1, 1}, 1}, {{0.4, 1, 1}, 1}}),
               FitError);
  PredictorData data = fit_gaussian_process(wavy()).model.data();
  data.coefficients[1] = 0;
  EXPECT_THROW(GaussianProcess{data}, FitError);
  data.coefficients[1] = 1;
  data.coefficients[4] = 1.5;  // the depth of the first sample
  EXPECT_THROW(GaussianProcess{data}, FitError);
}

}  // namespace
}  // namespace trifold::map
