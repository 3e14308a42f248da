/// Learning curves: exact ones are found, noisy ones within their own deviation.
#include "map/learning_curve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "map/error.h"

namespace trifold::map {
namespace {

std::vector<double> curve(double floor, double drop, double rate, int epochs) {
  std::vector<double> errors;
  for (int t = 1; t <= epochs; ++t) errors.push_back(floor + drop / std::pow(t, rate));
  return errors;
}

TEST(LearningCurve, FindsExactCurves) {
  struct Case {
    double floor, drop, rate;
  };
  for (const Case& c : {Case{8, 12, 0.5}, Case{0, 30, 0.25}, Case{9.3, 4, 1.7}, Case{12, 0, 1}}) {
    const LearningCurve found = fit_learning_curve(curve(c.floor, c.drop, c.rate, 8));
    for (const double t : {1.0, 8.0, 40.0, 160.0}) {
      EXPECT_NEAR(found.at(t), c.floor + c.drop / std::pow(t, c.rate), 1e-4) << c.floor << " " << t;
    }
    const Extrapolation end = extrapolate(curve(c.floor, c.drop, c.rate, 8), 100);
    EXPECT_NEAR(end.error, c.floor + c.drop / std::pow(100, c.rate), 1e-4);
    EXPECT_LT(end.deviation, 1e-3);
  }
}

TEST(LearningCurve, NeverPredictsLessThanNothingOrARise) {
  // A straight fall would go below 0; a rise is noise.
  const LearningCurve falling = fit_learning_curve(std::vector<double>{20, 15, 10, 5});
  EXPECT_GE(falling.at(1000), 0);
  const LearningCurve rising = fit_learning_curve(std::vector<double>{10, 11, 12, 13});
  EXPECT_NEAR(rising.at(1000), 11.5, 1e-9);
  EXPECT_EQ(rising.drop, 0);
}

TEST(LearningCurve, IsAsSureAsTheNoiseLetsItBe) {
  std::mt19937_64 engine(5);
  std::normal_distribution<double> noise(0, 0.3);
  constexpr int runs = 200;
  const double truth = 9 + 10 / std::pow(30, 0.8);
  double squares = 0, deviations = 0;
  for (int run = 0; run < runs; ++run) {
    std::vector<double> errors = curve(9, 10, 0.8, 10);
    for (double& e : errors) e += noise(engine);
    const Extrapolation end = extrapolate(errors, 30);
    squares += (end.error - truth) * (end.error - truth);
    deviations += end.deviation * end.deviation;
  }
  const double actual = std::sqrt(squares / runs), claimed = std::sqrt(deviations / runs);
  EXPECT_LT(actual, 1.5);
  EXPECT_GT(claimed, 0.5 * actual);
  EXPECT_LT(claimed, 3 * actual);
}

TEST(LearningCurve, RefusesWhatTellsNothing) {
  EXPECT_THROW(fit_learning_curve(std::vector<double>{3, 2, 1}), FitError);
  EXPECT_THROW(fit_learning_curve(std::vector<double>{3, 2, 1, -1}), FitError);
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(fit_learning_curve(std::vector<double>{3, 2, 1, nan}), FitError);
  EXPECT_THROW(extrapolate(curve(1, 1, 1, 4), 10), FitError);
  EXPECT_THROW(extrapolate(curve(1, 1, 1, 6), 5), FitError);
  EXPECT_THROW(extrapolate(curve(1, 1, 1, 6), nan), FitError);
}

}  // namespace
}  // namespace trifold::map
