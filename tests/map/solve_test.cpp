/// The continuous and the discrete solver against brute force.
#include <gtest/gtest.h>

#include <algorithm>

#include "map/error.h"
#include "map/full_tensor.h"
#include "map/solve_continuous.h"
#include "map/solve_discrete.h"
#include "tests/map/test_support.h"

namespace trifold::map {
namespace {

using testing::brute_force;
using testing::product;
using testing::random_saturating;
using testing::uniform;

/// The paper's cost, hidden from the solver so that it can't use the separable form.
CostModel opaque_paper() {
  return CostModel::general([](const Point& p) { return p.d * p.w * p.w * p.r * p.r; });
}

void expect_optimal(const ContinuousSolution& s, const Predictor& model, double budget, double low,
                    int cells, double slack) {
  for (double x : coordinates(s.at)) {
    EXPECT_GE(x, low * (1 - 1e-12));
    EXPECT_LE(x, 1);
  }
  EXPECT_LE(s.at.d * s.at.w * s.at.w * s.at.r * s.at.r, budget * (1 + 1e-9));
  EXPECT_EQ(s.accuracy, model.value(s.at));
  const double reference =
      brute_force([&](const Point& p) { return model.value(p); }, budget, low, cells);
  EXPECT_GE(s.accuracy, reference - slack);
}

TEST(SolveContinuous, MatchesBruteForceOnMonotoneFactors) {
  std::mt19937_64 random(5);
  int interior = 0;
  int bounded = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const auto model = product(0.3, random_saturating(random), random_saturating(random),
                               random_saturating(random));
    const double budget = uniform(random, 0.03, 0.9);
    const auto s = solve_continuous(model, CostModel::paper(), budget, {0.3, 0.3, 0.3});
    SCOPED_TRACE(trial);
    expect_optimal(s, model, budget, 0.3, 100, 1e-9);
    EXPECT_NEAR(s.cost, budget, 1e-8);
    EXPECT_LT(s.kkt_residual, 1e-6);
    if (s.active == std::array{Bound::none, Bound::none, Bound::none}) {
      ++interior;
      const auto& e = s.accuracy_elasticity;
      EXPECT_NEAR(e[0], e[1] / 2, 1e-6);
      EXPECT_NEAR(e[0], e[2] / 2, 1e-6);
      EXPECT_NEAR(e[0], s.multiplier, 1e-6);
    } else {
      ++bounded;
    }
  }
  EXPECT_GT(interior, 10);
  EXPECT_GT(bounded, 10);
}

TEST(SolveContinuous, GeneralSearchAgreesWithTheSeparableSolution) {
  std::mt19937_64 random(6);
  for (int trial = 0; trial < 10; ++trial) {
    SCOPED_TRACE(trial);
    const auto model = product(0.3, random_saturating(random), random_saturating(random),
                               random_saturating(random));
    const double budget = uniform(random, 0.05, 0.8);
    const auto exact = solve_continuous(model, CostModel::paper(), budget, {0.3, 0.3, 0.3});
    const auto found = solve_continuous(model, opaque_paper(), budget, {0.3, 0.3, 0.3});
    EXPECT_NEAR(found.accuracy, exact.accuracy, 1e-9);
    EXPECT_NEAR(found.at.d, exact.at.d, 1e-4);
    EXPECT_NEAR(found.at.w, exact.at.w, 1e-4);
    EXPECT_NEAR(found.at.r, exact.at.r, 1e-4);
    EXPECT_LT(found.kkt_residual, 1e-4);
    EXPECT_NEAR(found.multiplier, exact.multiplier, 1e-4);
  }
}

TEST(SolveContinuous, HandlesElasticitiesThatAreNotMonotone) {
  std::mt19937_64 random(7);
  const auto wavy = [&] {
    return std::vector<double>{1, uniform(random, -0.3, 0.3), uniform(random, -0.3, 0.3),
                               uniform(random, -0.3, 0.3)};
  };
  for (int trial = 0; trial < 40; ++trial) {
    SCOPED_TRACE(trial);
    const auto model = product(0.3, wavy(), wavy(), wavy());
    const double budget = uniform(random, 0.03, 0.9);
    const auto s = solve_continuous(model, CostModel::paper(), budget, {0.3, 0.3, 0.3});
    expect_optimal(s, model, budget, 0.3, 200, 1e-7);
    EXPECT_LT(s.kkt_residual, 1e-4);
  }
}

TEST(SolveContinuous, NamesActiveBounds) {
  // Width hardly matters, so it goes to its lower bound; depth matters most and stays whole.
  const auto model = product(0.4, {1, 0.5}, {1, 0.001}, {1, 0.05});
  const auto s = solve_continuous(model, CostModel::paper(), 0.1, {0.4, 0.4, 0.4});
  EXPECT_EQ(s.active[0], Bound::upper);
  EXPECT_EQ(s.active[1], Bound::lower);
  EXPECT_EQ(s.active[2], Bound::none);
  EXPECT_NEAR(s.at.r, std::sqrt(0.1 / 0.16), 1e-8);
  EXPECT_LT(s.kkt_residual, 1e-8);
}

TEST(SolveContinuous, SlackBudgetHasNoMultiplier) {
  const auto rising = product(0.3, {1, 0.1}, {1, 0.1}, {1, 0.1});
  const auto whole = solve_continuous(rising, CostModel::paper(), 1.5, {0.3, 0.3, 0.3});
  EXPECT_EQ(whole.at, (Point{1, 1, 1}));
  EXPECT_EQ(whole.multiplier, 0);
  EXPECT_LT(whole.kkt_residual, 1e-12);
  // Peaks at the middle of the range, t = 0, which is x = 0.65.
  const auto peaked = product(0.3, {1, 0, -0.1}, {1, 0, -0.1}, {1, 0, -0.1});
  for (const auto& cost : {CostModel::paper(), opaque_paper()}) {
    const auto inside = solve_continuous(peaked, cost, 0.9, {0.3, 0.3, 0.3});
    EXPECT_NEAR(inside.at.d, 0.65, 1e-6);
    EXPECT_NEAR(inside.at.w, 0.65, 1e-6);
    EXPECT_NEAR(inside.at.r, 0.65, 1e-6);
    EXPECT_EQ(inside.multiplier, 0);
  }
}

TEST(SolveContinuous, SolvesACoupledPredictor) {
  const auto samples = testing::sample(testing::grid_points(4, 0.3), [](const Point& p) {
    return 90 + 3 * std::log(p.d) + 5 * std::log(p.w) + 4 * std::log(p.r) - 2 * p.w * p.r;
  });
  const auto model = fit_full_tensor(samples).model;
  for (double budget : {0.1, 0.3, 0.6}) {
    SCOPED_TRACE(budget);
    const auto s = solve_continuous(model, CostModel::paper(), budget, {0.3, 0.3, 0.3});
    expect_optimal(s, model, budget, 0.3, 300, 1e-7);
    EXPECT_LT(s.kkt_residual, 1e-5);
  }
}

TEST(Explain, NamesBoundsMissedConditionsAndSpuriousRises) {
  const auto rising = product(0.4, {1, 0.5}, {1, 0.001}, {1, 0.05});
  const auto good = solve_continuous(rising, CostModel::paper(), 0.1, {0.4, 0.4, 0.4});
  EXPECT_TRUE(is_kkt_point(good));
  EXPECT_NE(explain(good).find("A KKT point"), std::string::npos) << explain(good);
  EXPECT_NE(explain(good).find("w lies on its lower bound"), std::string::npos) << explain(good);
  EXPECT_EQ(explain(good).find("falls"), std::string::npos) << explain(good);
  // Accuracy rises towards narrow nets: the width goes to its bound with the budget left over.
  const auto spurious = product(0.7, {1, 0.02}, {1, -0.2}, {1, 0.02});
  const auto s = solve_continuous(spurious, CostModel::paper(), 0.6, {0.7, 0.7, 0.7});
  EXPECT_EQ(s.multiplier, 0);
  EXPECT_NE(explain(s).find("falls as w grows"), std::string::npos) << explain(s);
  ContinuousSolution missed = good;
  missed.kkt_residual = 0.1;
  EXPECT_FALSE(is_kkt_point(missed));
  EXPECT_NE(explain(missed).find("Not a KKT point"), std::string::npos) << explain(missed);
}

TEST(SolveContinuous, RefusesWhatNoPointMeets) {
  const auto model = product(0.5, {1, 0.1}, {1, 0.1}, {1, 0.1});
  EXPECT_THROW(solve_continuous(model, CostModel::paper(), 0.01, {0.5, 0.5, 0.5}), InfeasibleError);
  EXPECT_THROW(solve_continuous(model, CostModel::paper(), 0, {0.5, 0.5, 0.5}),
               std::invalid_argument);
  EXPECT_THROW(solve_continuous(model, CostModel::paper(), 0.5, {0, 0.5, 0.5}),
               std::invalid_argument);
  EXPECT_THROW(CostModel::power_law(1, 0, 2), std::invalid_argument);
}

TEST(CostModel, NumericElasticitiesMatchExponents) {
  const auto e = opaque_paper().elasticities({0.5, 0.7, 0.9});
  EXPECT_NEAR(e[0], 1, 1e-8);
  EXPECT_NEAR(e[1], 2, 1e-8);
  EXPECT_NEAR(e[2], 2, 1e-8);
  EXPECT_EQ(CostModel::paper().elasticities({0.5, 0.7, 0.9}), (std::array<double, 3>{1, 2, 2}));
}

class SolveDiscrete : public ::testing::Test {
 protected:
  DiscreteSpace space{{1, 0.8, 0.6, 0.4}, {0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}, {0.5, 0.75, 1}};
  CountedCost cost = [this](std::int64_t i, std::int64_t j, std::int64_t k) {
    const double w = space.width[static_cast<std::size_t>(j)];
    const double r = space.resolution[static_cast<std::size_t>(k)];
    return std::round(1000 * space.depth[static_cast<std::size_t>(i)] * w * w * r * r);
  };
};

TEST_F(SolveDiscrete, MatchesBruteForceAlsoWhereWidthHurts) {
  std::mt19937_64 random(8);
  for (int trial = 0; trial < 50; ++trial) {
    SCOPED_TRACE(trial);
    const auto cubic = [&] {
      return std::vector<double>{1, uniform(random, -0.4, 0.4), uniform(random, -0.4, 0.4)};
    };
    const auto model = product(0.3, cubic(), cubic(), cubic());
    const double budget = uniform(random, 30, 900);
    std::vector<std::pair<double, std::array<std::int64_t, 3>>> all;
    for (std::int64_t i = 0; i < 4; ++i) {
      for (std::int64_t j = 0; j < 8; ++j) {
        for (std::int64_t k = 0; k < 3; ++k) {
          if (cost(i, j, k) > budget) continue;
          const Point p{space.depth[static_cast<std::size_t>(i)],
                        space.width[static_cast<std::size_t>(j)],
                        space.resolution[static_cast<std::size_t>(k)]};
          all.push_back({-model.value(p), {i, j, k}});
        }
      }
    }
    std::sort(all.begin(), all.end());
    const auto best = solve_discrete(model, space, cost, budget, 5);
    ASSERT_EQ(best.size(), std::min<std::size_t>(5, all.size()));
    for (std::size_t n = 0; n < best.size(); ++n) {
      EXPECT_EQ(best[n].accuracy, -all[n].first);
      EXPECT_EQ((std::array{best[n].depth, best[n].width, best[n].resolution}), all[n].second);
      EXPECT_EQ(best[n].cost, cost(best[n].depth, best[n].width, best[n].resolution));
    }
  }
}

TEST_F(SolveDiscrete, BreaksTiesByCostThenIndices) {
  const auto flat = product(0.3, {1}, {1}, {1});
  const auto best = solve_discrete(flat, space, cost, 1000, 1000);
  ASSERT_EQ(best.size(), 4u * 8u * 3u);
  for (std::size_t n = 1; n < best.size(); ++n) {
    const auto key = [&](const DiscreteCandidate& c) {
      return std::tuple(c.cost, c.depth, c.width, c.resolution);
    };
    EXPECT_LT(key(best[n - 1]), key(best[n]));
  }
}

TEST_F(SolveDiscrete, NamesTheCheapestWhereNothingFits) {
  const auto flat = product(0.3, {1}, {1}, {1});
  try {
    solve_discrete(flat, space, cost, 5);
    FAIL() << "expected an InfeasibleError";
  } catch (const InfeasibleError& e) {
    EXPECT_NE(std::string(e.what()).find("(0.4, 0.3, 0.5), costs 9"), std::string::npos)
        << e.what();
  }
}

TEST_F(SolveDiscrete, RefusesBadSpaces) {
  const auto flat = product(0.3, {1}, {1}, {1});
  EXPECT_THROW(solve_discrete(flat, {{}, {1}, {1}}, cost, 1), std::invalid_argument);
  EXPECT_THROW(solve_discrete(flat, {{1}, {1, 0.5}, {1}}, cost, 1), std::invalid_argument);
  EXPECT_THROW(solve_discrete(flat, space, cost, 1000, 0), std::invalid_argument);
}

}  // namespace
}  // namespace trifold::map
