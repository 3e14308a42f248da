/// Leave-one-out errors and rank correlation against hand-made values.
#include "map/validate.h"

#include <gtest/gtest.h>

#include "map/error.h"
#include "map/low_rank.h"
#include "map/solve_continuous.h"
#include "tests/map/test_support.h"

namespace trifold::map {
namespace {

using testing::axis_points;
using testing::sample;

/// Predicts the mean accuracy of its samples everywhere.
std::unique_ptr<Predictor> mean_fit(const std::vector<Sample>& samples) {
  double sum = 0;
  for (const Sample& s : samples) sum += s.accuracy;
  return std::make_unique<LowRank>(
      testing::product(0.1, {sum / static_cast<double>(samples.size())}, {1}, {1}));
}

TEST(LeaveOneOut, OfAMeanIsKnownByHand) {
  // The others of each have the means 5, 4 and 2: errors 4, 1 and 5.
  const auto v = leave_one_out({{{1, 1, 1}, 1}, {{0.5, 1, 1}, 3}, {{1, 0.5, 1}, 7}}, mean_fit);
  EXPECT_EQ(v.predictions, (std::vector<double>{5, 4, 2}));
  EXPECT_DOUBLE_EQ(v.mae, (4.0 + 1 + 5) / 3);
  EXPECT_DOUBLE_EQ(v.rmse, std::sqrt((16.0 + 1 + 25) / 3));
  EXPECT_DOUBLE_EQ(v.max_error, 5);
  EXPECT_DOUBLE_EQ(v.spearman, -1);
  EXPECT_THROW(leave_one_out({{{1, 1, 1}, 1}}, mean_fit), FitError);
}

TEST(LeaveOneOut, MatchesARefitByHand) {
  const auto samples = sample(axis_points(), [](const Point& p) {
    return 0.9 + 0.05 * p.d - 0.1 * (1 - p.w) * (1 - p.w) + 0.03 * std::sin(9 * p.r);
  });
  const auto fit = [](const std::vector<Sample>& s) {
    return std::make_unique<LowRank>(fit_low_rank(s, {.degree = 2}).model);
  };
  const auto v = leave_one_out(samples, fit);
  ASSERT_EQ(v.predictions.size(), samples.size());
  std::vector<Sample> others(samples.begin() + 1, samples.end());
  EXPECT_EQ(v.predictions[0], fit_low_rank(others, {.degree = 2}).model.value(samples[0].at));
  others.assign(samples.begin(), samples.end() - 1);
  EXPECT_EQ(v.predictions.back(),
            fit_low_rank(others, {.degree = 2}).model.value(samples.back().at));
}

TEST(Spearman, KnownExamples) {
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3}, {10, 100, 1000}), 1);
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3}, {3, 2, 1}), -1);
  // IQ and hours of television, the textbook's -29/165.
  EXPECT_NEAR(spearman({106, 100, 86, 101, 99, 103, 97, 113, 112, 110},
                       {7, 27, 2, 50, 28, 29, 20, 12, 6, 17}),
              -29.0 / 165, 1e-12);
  // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
  EXPECT_NEAR(spearman({1, 2, 2, 3}, {1, 2, 3, 4}), 4.5 / std::sqrt(22.5), 1e-12);
  EXPECT_EQ(spearman({1, 1, 1}, {1, 2, 3}), 0);
  EXPECT_THROW(spearman({1}, {1}), std::invalid_argument);
  EXPECT_THROW(spearman({1, 2}, {1, 2, 3}), std::invalid_argument);
}

TEST(AccuracyShapes, NoisyNonMonotoneDataGiveAFiniteUsablePoint) {
  std::mt19937_64 random(9);
  for (int trial = 0; trial < 10; ++trial) {
    const auto samples = sample(axis_points(0.35), [&](const Point& p) {
      return 93.5 - 3 * std::pow(1 - p.d, 2) - 6 * std::pow(1 - p.w, 2) - 9 * std::pow(1 - p.r, 2) +
             testing::uniform(random, -0.5, 0.5);
    });
    const auto fit = fit_low_rank(samples);
    EXPECT_TRUE(fit.report.converged);
    EXPECT_LT(fit.report.rmse, 0.5);  // no worse than the noise
    const auto s = solve_continuous(fit.model, CostModel::paper(), 0.4, fit.model.lower());
    EXPECT_GT(s.accuracy, 88);
    EXPECT_LT(s.accuracy, 95);
    EXPECT_LE(s.cost, 0.4 * (1 + 1e-9));
    EXPECT_LT(s.kkt_residual, 1e-4);
  }
}

}  // namespace
}  // namespace trifold::map
