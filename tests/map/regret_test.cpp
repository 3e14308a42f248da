/// The choice of a predictor on surfaces whose optimum brute force knows: a fast part of
/// bench/map_regret.cpp, with surfaces of its own.
#include <gtest/gtest.h>

#include <algorithm>

#include "map/error.h"
#include "map/select.h"
#include "map/solve_continuous.h"
#include "tests/map/test_support.h"

namespace trifold::map {
namespace {

constexpr double kBudget = 0.4;
constexpr double kLeast = 0.4;

double product_of_losses(const Point& p) {
  return 94 * (1 - 0.05 * std::pow(1 - p.d, 2)) * (1 - 0.12 * std::pow(1 - p.w, 1.5)) *
         (1 - 0.2 * std::pow(1 - p.r, 2));
}

double sum_of_errors(const Point& p) {
  return 100 - 3 - 1.5 / p.d - 0.8 * std::pow(p.w, -2) - 1.2 * std::pow(p.r, -2);
}

double with_interaction(const Point& p) {
  return sum_of_errors(p) - 5 * std::log(p.w) * std::log(p.r);
}

/// Axis points and six that spend the budget off the axes.
std::vector<Point> design() {
  auto points = testing::axis_points(kLeast);
  for (const auto& [d, w] : std::vector<std::pair<double, double>>{
           {0.63, 0.8}, {0.63, 1}, {1, 0.8}, {0.74, 0.86}, {0.58, 0.91}, {0.83, 0.76}}) {
    points.push_back({d, w, std::min(1.0, std::sqrt(kBudget / (d * w * w)))});
  }
  return points;
}

/// Families quick enough to refit often.
std::vector<PredictorFamily> quick_families() {
  std::vector<PredictorFamily> result;
  for (const PredictorFamily& f : predictor_families()) {
    if (!f.name.starts_with("rank2") && !f.name.starts_with("rank3") && f.name != "full-tensor") {
      result.push_back(f);
    }
  }
  return result;
}

class Regret : public ::testing::TestWithParam<double (*)(const Point&)> {};

TEST_P(Regret, OfTheChoiceIsSmallAndNearTheBestFamilys) {
  const auto truth = GetParam();
  const double best = testing::brute_force(truth, kBudget, kLeast, 200);
  const auto families = quick_families();
  std::mt19937_64 random(41);
  constexpr int kTrials = 4;
  std::vector<double> mean(families.size());
  double chosen = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto samples = testing::sample(
        design(), [&](const Point& p) { return truth(p) + testing::uniform(random, -0.3, 0.3); });
    const Selection selection = select_family(samples, families);
    for (std::size_t i = 0; i < families.size(); ++i) {
      const auto s = solve_continuous(*selection.table[i].model, CostModel::paper(), kBudget,
                                      {kLeast, kLeast, kLeast});
      const double regret = best - truth(s.at);
      EXPECT_GE(regret, -0.01);  // the brute force's grid
      mean[i] += regret / kTrials;
      if (i == selection.chosen) chosen += regret / kTrials;
    }
  }
  EXPECT_LT(chosen, 0.2);
  EXPECT_LE(chosen, std::ranges::min(mean) + 0.1);
}

INSTANTIATE_TEST_SUITE_P(Surfaces, Regret,
                         ::testing::Values(product_of_losses, sum_of_errors, with_interaction));

TEST(SelectFamily, RanksThePowerLawFirstWhereTheErrorIsOne) {
  const auto samples = testing::sample(design(), [](const Point& p) {
    return 97 - 4 * std::pow(p.d, -0.8) * std::pow(p.w, -1.2) * std::pow(p.r, -1.8);
  });
  const Selection selection = select_family(samples, quick_families());
  const auto best = std::ranges::min_element(
      selection.table, {}, [](const FamilyScore& row) { return row.left_out->mae; });
  EXPECT_EQ(best->family, "power-law");
  EXPECT_EQ(best->excess, 0);
  EXPECT_LT(best->left_out->mae, 0.05);
}

}  // namespace
}  // namespace trifold::map
