/// The figures of pruning/README.md's example of the solver.
#include <gtest/gtest.h>

#include <cmath>

#include "map/low_rank.h"
#include "map/solve_continuous.h"

namespace trifold::map {
namespace {

double factor(double a, double x) { return 1 - a * (1 - x) * (1 - x); }

double accuracy(const Point& p) {
  return 93 * factor(0.1, p.d) * factor(0.3, p.w) * factor(0.4, p.r);
}

TEST(WorkedExample, IsWhatTheSolverFinds) {
  std::vector<Sample> samples;
  for (double x : {1.0, 0.7, 0.4}) {  // three values determine each factor
    for (const Point& p : {Point{x, 1, 1}, Point{1, x, 1}, Point{1, 1, x}}) {
      samples.push_back({p, accuracy(p)});
    }
  }
  const LowRankFit fit = fit_low_rank(samples, {.degree = 2, .ridge = 0});
  const ContinuousSolution s =
      solve_continuous(fit.model, CostModel::paper(), 0.5, {0.4, 0.4, 0.4});
  EXPECT_NEAR(s.at.d, 0.792, 5e-4);
  EXPECT_NEAR(s.at.w, 0.874, 5e-4);
  EXPECT_NEAR(s.at.r, 0.909, 5e-4);
  EXPECT_NEAR(s.accuracy, 91.85, 5e-3);
  EXPECT_NEAR(s.multiplier, 0.0331, 5e-5);
  EXPECT_NEAR(s.accuracy_elasticity[1], 2 * s.multiplier, 1e-6);
}

TEST(WorkedExample, TabulatesTheBudgetThatEachMultiplierSpends) {
  // x with x f'(x) / f(x) = e for f = 1 - a (1 - x)^2, on the branch that falls towards 1.
  const auto place = [](double a, double e) {
    double low = 0.6, high = 1;
    for (int i = 0; i < 60; ++i) {
      const double x = (low + high) / 2;
      (2 * a * x * (1 - x) / factor(a, x) > e ? low : high) = x;
    }
    return low;
  };
  const double rows[][5] = {{0.0300, 0.817, 0.888, 0.919, 0.543},
                            {0.0331, 0.792, 0.874, 0.909, 0.500},
                            {0.0400, 0.727, 0.843, 0.888, 0.407}};
  for (const auto& [m, d, w, r, cost] : rows) {
    const double x[] = {place(0.1, m), place(0.3, 2 * m), place(0.4, 2 * m)};
    EXPECT_NEAR(x[0], d, 6e-4) << m;
    EXPECT_NEAR(x[1], w, 6e-4) << m;
    EXPECT_NEAR(x[2], r, 6e-4) << m;
    EXPECT_NEAR(x[0] * x[1] * x[1] * x[2] * x[2], cost, 1e-3) << m;
  }
}

TEST(WorkedExample, OneDimensionAloneLosesMore) {
  EXPECT_NEAR(accuracy({0.5, 1, 1}), 90.68, 6e-3);
  EXPECT_NEAR(accuracy({1, std::sqrt(0.5), 1}), 90.61, 5e-3);
  EXPECT_NEAR(accuracy({1, 1, std::sqrt(0.5)}), 89.81, 5e-3);
}

}  // namespace
}  // namespace trifold::map
