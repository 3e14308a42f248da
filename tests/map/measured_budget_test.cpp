/// Meeting a budget as measured, on made-up costs whose prediction is off.
#include "map/measured_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace trifold::map {
namespace {

TEST(MeasuredBudget, StopsAtAnAnswerThatCostsWhatItShould) {
  // Every answer costs a fifth more than predicted.
  int calls = 0;
  const MeasuredBudget found = meet_measured(0.5, 0.1, [&](double budget) {
    ++calls;
    return 1.2 * budget;
  });
  EXPECT_TRUE(found.met);
  EXPECT_NEAR(found.budget, 0.5 / 1.2, 1e-12);
  EXPECT_NEAR(found.measured, 0.5, 1e-12);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(found.tries, 2);
  EXPECT_EQ(meet_measured(0.5, 0.1, [](double budget) { return budget; }).tries, 1);
}

TEST(MeasuredBudget, SpendsWhatWasPredictedTooDear) {
  const MeasuredBudget found =
      meet_measured(0.5, 0.1, [](double budget) { return 0.7 * budget + 0.02; });
  EXPECT_TRUE(found.met);
  EXPECT_GT(found.budget, 0.6);
  EXPECT_NEAR(found.measured, 0.5, 0.5 * 0.03);
}

// Answers are few, and each is off by another share: every try is one of them.
TEST(MeasuredBudget, TakesTheDearestAnswerThatMeetsTheTarget) {
  const std::vector<double> predicted = {0.2, 0.3, 0.36, 0.41, 0.47, 0.5};
  const std::vector<double> measured = {0.25, 0.33, 0.46, 0.42, 0.58, 0.61};
  int calls = 0;
  const MeasuredBudget found = meet_measured(0.5, 0.2, [&](double budget) {
    ++calls;
    const auto above = std::upper_bound(predicted.begin(), predicted.end(), budget + 1e-12);
    EXPECT_NE(above, predicted.begin());
    return measured[static_cast<std::size_t>(above - predicted.begin()) - 1];
  });
  EXPECT_TRUE(found.met);
  EXPECT_TRUE(found.measured == 0.42 || found.measured == 0.46) << found.measured;
  EXPECT_LE(calls, 8);
}

TEST(MeasuredBudget, SaysWhereNothingMeetsTheTarget) {
  const MeasuredBudget found = meet_measured(0.5, 0.3, [](double budget) { return 0.4 + budget; });
  EXPECT_FALSE(found.met);
  EXPECT_DOUBLE_EQ(found.budget, 0.3);
  EXPECT_DOUBLE_EQ(found.measured, 0.7);
}

TEST(MeasuredBudget, RefusesABudgetThatCannotBe) {
  const auto same = [](double budget) { return budget; };
  EXPECT_THROW(meet_measured(0.5, 0.6, same), std::invalid_argument);
  EXPECT_THROW(meet_measured(0.5, 0.0, same), std::invalid_argument);
  EXPECT_THROW(meet_measured(0.5, std::nan(""), same), std::invalid_argument);
}

}  // namespace
}  // namespace trifold::map
