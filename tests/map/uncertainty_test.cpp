/// Noise, selection, bootstrap, bias, determinacy and the placement of further points.
#include <gtest/gtest.h>

#include <algorithm>

#include "map/bias.h"
#include "map/bootstrap.h"
#include "map/budget_surface.h"
#include "map/determinacy.h"
#include "map/error.h"
#include "map/noise.h"
#include "map/placement.h"
#include "map/select.h"
#include "map/solve_continuous.h"
#include "tests/map/test_support.h"

namespace trifold::map {
namespace {

using testing::axis_points;
using testing::product;
using testing::sample;

/// Standard normal, by the sum of twelve uniforms.
double normal(std::mt19937_64& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += testing::uniform(random, 0, 1);
  return sum;
}

double accuracy(const Point& p) {
  return 96 - 2 * std::pow(p.d, -0.5) - 1 * std::pow(p.w, -1.5) - 1.5 * std::pow(p.r, -1.2);
}

std::vector<Sample> measured(double noise, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return sample(axis_points(0.5),
                [&](const Point& p) { return accuracy(p) + noise * normal(random); });
}

SolveFunction at_budget(double budget) {
  return [=](const Predictor& model) {
    const auto s = solve_continuous(model, CostModel::paper(), budget, {0.5, 0.5, 0.5});
    return Optimum{s.at, s.accuracy};
  };
}

TEST(Noise, PoolsTheRepeatsOfEachPoint) {
  // Variances by hand: (1, 3) has 2 over 1 degree of freedom, (4, 5, 9) has 14 over 2: 16 / 3.
  const Point a{1, 1, 1}, b{0.5, 1, 1}, c{1, 0.5, 1};
  const auto noise = noise_of_repeats({{a, 1}, {b, 4}, {a, 3}, {b, 5}, {c, 70}, {b, 9}});
  ASSERT_TRUE(noise);
  EXPECT_DOUBLE_EQ(noise->sd, std::sqrt(16.0 / 3));
  EXPECT_EQ(noise->degrees_of_freedom, 3);
  EXPECT_FALSE(noise_of_repeats({{a, 1}, {b, 2}}));
  // Weighted: mean (3 * 1 + 1 * 5) / 4 = 2, squares 3 * 1 + 1 * 9.
  EXPECT_DOUBLE_EQ(noise_of_repeats({{a, 1, 3}, {a, 5, 1}})->sd, std::sqrt(12.0));
  EXPECT_THROW(noise_of_repeats({}), FitError);
}

TEST(LeaveOneOutOfRepeats, HidesTheTwins) {
  // A predictor that knows its samples by heart, and nothing else, must not see the twin.
  const FitFunction memory = [](const std::vector<Sample>& samples) -> std::unique_ptr<Predictor> {
    for (const Sample& s : samples) {
      if (s.at == Point{0.5, 1, 1}) return std::make_unique<LowRank>(product(0.1, {7}, {1}, {1}));
    }
    return std::make_unique<LowRank>(product(0.1, {0}, {1}, {1}));
  };
  const auto v = leave_one_out({{{0.5, 1, 1}, 7}, {{1, 1, 1}, 7}, {{0.5, 1, 1}, 7}}, memory);
  EXPECT_EQ(v.predictions, (std::vector<double>{0, 7, 0}));
  EXPECT_THROW(leave_one_out({{{1, 1, 1}, 7}, {{1, 1, 1}, 8}}, memory), FitError);
}

TEST(SelectFamily, TableHoldsEveryFamilyAndThePapers) {
  const auto samples = measured(0.1, 1);
  const Selection selection = select_family(samples);
  ASSERT_EQ(selection.table.size(), predictor_families().size());
  for (std::size_t i = 0; i < selection.table.size(); ++i) {
    const FamilyScore& row = selection.table[i];
    SCOPED_TRACE(row.family);
    EXPECT_EQ(row.family, predictor_families()[i].name);
    EXPECT_EQ(row.problem.empty(), row.left_out.has_value());
    if (!row.left_out) continue;
    const auto again = leave_one_out(samples, predictor_families()[i].fit);
    EXPECT_EQ(row.left_out->predictions, again.predictions);
    ASSERT_TRUE(row.model);
    EXPECT_EQ(row.model->data(), predictor_families()[i].fit(samples)->data());
  }
  const auto row = [&](std::string_view name) {
    return *std::ranges::find(selection.table, name, &FamilyScore::family);
  };
  EXPECT_TRUE(row(kPaperFamily).left_out);
  EXPECT_EQ(row(kPaperFamily).free_parameters, 10);
  EXPECT_NE(row("rank2-degree1").problem.find("axes through one point"), std::string::npos);
  EXPECT_TRUE(selection.table[selection.chosen].plausible);
  EXPECT_NE(selection.reason.find(selection.table[selection.chosen].family), std::string::npos);
}

TEST(SelectFamily, PrefersTheEarlierUnlessTheLaterEarnsIt) {
  const auto constant = [](double value) {
    return [=](const std::vector<Sample>&) -> std::unique_ptr<Predictor> {
      return std::make_unique<LowRank>(product(0.1, {value}, {1}, {1}));
    };
  };
  const auto one = [](const std::vector<Sample>&) { return std::int64_t{1}; };
  // Samples 1, 2, 3, 6: |error| of the constant 2 is 1, 0, 1, 4, of the constant 3 it is 2, 1, 0, 3.
  const std::vector<Sample> samples{
      {{1, 1, 1}, 1}, {{0.9, 1, 1}, 2}, {{0.8, 1, 1}, 3}, {{0.7, 1, 1}, 6}};
  const std::vector<PredictorFamily> equal{{"three", "", true, constant(3), one},
                                           {"two", "", true, constant(2), one}};
  EXPECT_EQ(select_family(samples, equal).chosen, 0u);
  // The constant 50 is worse in every sample by about the same: no noise explains it.
  const std::vector<PredictorFamily> worse{{"fifty", "", true, constant(50), one},
                                           {"two", "", true, constant(2), one}};
  const Selection selection = select_family(samples, worse);
  EXPECT_EQ(selection.chosen, 1u);
  EXPECT_FALSE(selection.table[0].plausible);
  // Differences 48, 48, 46, 40 by hand: mean 45.5, squared deviations 6.25, 6.25, 0.25, 30.25.
  EXPECT_DOUBLE_EQ(selection.table[0].excess, 45.5);
  EXPECT_NEAR(selection.table[0].excess_error, std::sqrt(43.0 / 4 / 3), 1e-9);
  const FitFunction failing = [](const std::vector<Sample>&) -> std::unique_ptr<Predictor> {
    throw FitError("No.");
  };
  EXPECT_THROW(select_family(samples, {{"none", "", true, failing, one}}), FitError);
}

TEST(PercentileInterval, InterpolatesOrderStatistics) {
  const Interval i = percentile_interval({4, 0, 3, 1, 2}, 0.5);
  EXPECT_DOUBLE_EQ(i.low, 1);
  EXPECT_DOUBLE_EQ(i.middle, 2);
  EXPECT_DOUBLE_EQ(i.high, 3);
  EXPECT_DOUBLE_EQ(percentile_interval({0, 1}, 0.9).high, 0.95);
  EXPECT_EQ(percentile_interval({7}, 0.9).low, 7);
  EXPECT_THROW(percentile_interval({}, 0.9), std::invalid_argument);
  EXPECT_THROW(percentile_interval({1}, 1), std::invalid_argument);
}

TEST(Bootstrap, CoversTheTruthAboutAsOftenAsItSays) {
  const auto& family = predictor_family("power-law");
  const auto truth = [] {
    Optimum best;
    for (int i = 0; i <= 400; ++i) {
      for (int j = 0; j <= 400; ++j) {
        const double d = 0.5 + 0.5 * i / 400, w = 0.5 + 0.5 * j / 400;
        const double r = std::sqrt(0.5 / (d * w * w));
        if (r > 1 || r < 0.5) continue;
        const Point p{d, w, r};
        if (accuracy(p) > best.accuracy) best = {p, accuracy(p)};
      }
    }
    return best;
  }();
  int covered = 0;
  constexpr int kTrials = 30;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto b = bootstrap(measured(0.2, std::uint64_t(100 + trial)), family.fit, at_budget(0.5),
                             {.draws = 40, .noise = 0.2});
    EXPECT_EQ(b.failed, 0);
    const double real = accuracy(b.optimum.at);
    covered += b.accuracy.low <= real && real <= b.accuracy.high;
    covered += b.d.low <= truth.at.d && truth.at.d <= b.d.high;
  }
  EXPECT_GE(covered, 0.8 * 2 * kTrials);  // 90 % intervals, on the wide side
}

TEST(Bootstrap, NarrowsWithTheNoiseAndRepeatsItself) {
  const auto& family = predictor_family("monotone-rank1");
  const auto width = [&](double noise) {
    const auto b =
        bootstrap(measured(noise, 5), family.fit, at_budget(0.5), {.draws = 25, .noise = noise});
    return b.accuracy.high - b.accuracy.low;
  };
  EXPECT_LT(3 * width(0.05), width(0.5));
  const BootstrapOptions options{.draws = 10, .noise = 0.3, .seed = 4};
  const auto a = bootstrap(measured(0.3, 6), family.fit, at_budget(0.5), options);
  const auto b = bootstrap(measured(0.3, 6), family.fit, at_budget(0.5), options);
  ASSERT_EQ(a.optima.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(a.optima[i].at, b.optima[i].at);
    EXPECT_EQ(a.models[i]->data(), b.models[i]->data());
  }
  EXPECT_EQ(a.w.low, b.w.low);
  // A prefix of more draws is the same.
  EXPECT_EQ(
      bootstrap(measured(0.3, 6), family.fit, at_budget(0.5), {.draws = 3, .noise = 0.3, .seed = 4})
          .optima[2]
          .at,
      a.optima[2].at);
}

TEST(Bootstrap, DrawsNoAccuracyBelowNothing) {
  // Hardly better than chance, judged on a handful of images.
  const std::vector<Sample> samples =
      sample(axis_points(0.5), [](const Point& p) { return 3 + 4 * p.d * p.w * p.r; });
  const FitFunction& fit = predictor_family("monotone-rank1").fit;
  const Bootstrap found = bootstrap(samples, fit, at_budget(0.5), {.draws = 100, .noise = 8});
  EXPECT_EQ(found.failed, 0);
  EXPECT_GE(found.accuracy.low, 0);
}

TEST(Bootstrap, Refusals) {
  const auto& fit = predictor_family("power-law").fit;
  EXPECT_THROW(bootstrap({}, fit, at_budget(0.5)), FitError);
  EXPECT_THROW(bootstrap(measured(0, 1), fit, at_budget(0.5), {.draws = 0}), std::invalid_argument);
  EXPECT_THROW(bootstrap(measured(0, 1), fit, at_budget(0.5), {.noise = -1}),
               std::invalid_argument);
  int calls = 0;
  const FitFunction once = [&](const std::vector<Sample>& s) {
    if (++calls > 1) throw FitError("No.");
    return fit(s);
  };
  EXPECT_THROW(bootstrap(measured(0, 1), once, at_budget(0.5), {.draws = 4}), FitError);
}

TEST(BiasStudy, PunishesTheAxisThatLooksWorse) {
  const auto rows =
      bias_study(measured(0, 1), predictor_family("power-law").fit, at_budget(0.5), 0.5);
  ASSERT_EQ(rows.size(), 6u);
  const auto plain = solve_continuous(*predictor_family("power-law").fit(measured(0, 1)),
                                      CostModel::paper(), 0.5, {0.5, 0.5, 0.5});
  for (const BiasedChoice& row : rows) {
    SCOPED_TRACE(row.axis);
    // Measured too low, an axis is pruned less; too high, more.
    const double moved = coordinates(row.optimum.at)[row.axis] - coordinates(plain.at)[row.axis];
    if (row.bias < 0) {
      EXPECT_GT(moved, -1e-9);
    } else {
      EXPECT_LT(moved, 1e-9);
    }
    EXPECT_GE(row.loss, -1e-9);
    EXPECT_EQ(std::abs(row.bias), 0.5);
  }
  EXPECT_GT(std::ranges::max(rows, {}, &BiasedChoice::loss).loss, 1e-3);
  for (const BiasedChoice& row :
       bias_study(measured(0, 1), predictor_family("power-law").fit, at_budget(0.5), 0)) {
    EXPECT_EQ(row.optimum.at, plain.at);
  }
}

TEST(BudgetSurface, SpendsTheBudgetInsideTheBox) {
  const auto opaque =
      CostModel::general([](const Point& p) { return p.d * (0.2 + 0.8 * p.w) * p.r; });
  for (const auto& cost : {CostModel::paper(), opaque}) {
    const auto surface = budget_surface(cost, 0.4, {0.4, 0.5, 0.6}, 10);
    EXPECT_GT(surface.size(), 60u);
    for (const Point& p : surface) {
      EXPECT_NEAR(cost.ratio(p), 0.4, 1e-9);
      EXPECT_GE(p.d, 0.4 * (1 - 1e-12));
      EXPECT_GE(p.w, 0.5 * (1 - 1e-12));
      EXPECT_GE(p.r, 0.6 * (1 - 1e-12));
      EXPECT_LE(std::max({p.d, p.w, p.r}), 1);
    }
  }
  EXPECT_TRUE(budget_surface(CostModel::paper(), 0.01, {0.5, 0.5, 0.5}).empty());
  EXPECT_THROW(budget_surface(CostModel::paper(), 0, {0.5, 0.5, 0.5}), std::invalid_argument);
  EXPECT_THROW(budget_surface(CostModel::paper(), 1, {0, 0.5, 0.5}), std::invalid_argument);
}

TEST(JudgeOptimum, TellsDeterminedFromUndetermined) {
  const auto& fit = predictor_family("power-law").fit;
  const auto surface = budget_surface(CostModel::paper(), 0.5, {0.5, 0.5, 0.5});
  const auto judge = [&](const std::vector<Sample>& samples, double noise) {
    const auto draws = bootstrap(samples, fit, at_budget(0.5), {.draws = 40, .noise = noise});
    return judge_optimum(*fit(samples), draws, surface, noise);
  };
  const auto sure = judge(measured(0.02, 3), 0.02);
  EXPECT_TRUE(sure.determined) << sure.reason;
  EXPECT_GT(sure.advantage, 0.03);
  EXPECT_TRUE(sure.reason.empty());
  // Noise as large as all that the axes lose.
  const auto unsure = judge(measured(3, 3), 3);
  EXPECT_FALSE(unsure.determined);
  EXPECT_NE(unsure.reason.find("do not determine"), std::string::npos) << unsure.reason;
  // A flat net: the optimum may be anywhere, and it is worth nothing.
  const auto flat = judge(sample(axis_points(0.5), [](const Point&) { return 90.0; }), 0.2);
  EXPECT_FALSE(flat.determined);
  EXPECT_NE(flat.reason.find("middling"), std::string::npos) << flat.reason;
  EXPECT_THROW(judge_optimum(*fit(measured(0, 1)), {}, {}, 0), std::invalid_argument);
}

TEST(ProposePoints, PicksTheMostDisputedOfTheGood) {
  // Members agree but for what they say of d w (off the axes), and of a place that can't win.
  std::vector<std::shared_ptr<const Predictor>> ensemble;
  for (const double tilt : {-0.02, -0.01, 0.0, 0.01, 0.02}) {
    PredictorData data{
        "log_quadratic", 1,         {},
        {0.1, 0.1, 0.1}, {1, 1, 1}, {4.5, 0.01, 0.02, 0.02, 0, 0, 0, tilt, 0, 0.2 * tilt}};
    ensemble.push_back(make_predictor(data));
  }
  const Point on_axis{0.5, 1, 1}, disputed{0.5, 0.7, 1}, agreed{0.6, 1, 0.8},
      hopeless{0.99, 0.11, 0.3};
  const std::vector<Point> places{on_axis, agreed, disputed, hopeless};
  const auto proposals = propose_points(ensemble, places, 4, 0.1);
  ASSERT_FALSE(proposals.empty());
  EXPECT_EQ(proposals[0].at, disputed);
  double mean = 0, squares = 0;
  for (const auto& m : ensemble) mean += m->value(disputed) / 5;
  for (const auto& m : ensemble) squares += std::pow(m->value(disputed) - mean, 2) / 4;
  EXPECT_NEAR(proposals[0].spread, std::sqrt(squares), 1e-12);
  for (const Proposal& p : proposals) {
    EXPECT_NE(p.at, on_axis);
    EXPECT_NE(p.at, hopeless);
  }
}

TEST(ProposePoints, ConditionsTheEnsembleLikeTheKalmanUpdate) {
  // The second pick's spread is the posterior standard deviation after a noisy look at the first.
  std::mt19937_64 random(8);
  std::vector<std::shared_ptr<const Predictor>> ensemble;
  for (int i = 0; i < 30; ++i) {
    PredictorData data{"log_quadratic", 1, {}, {0.1, 0.1, 0.1}, {1, 1, 1}, {4.5, 0, 0, 0, 0, 0, 0}};
    for (int k = 0; k < 3; ++k) data.coefficients.push_back(0.05 * normal(random));
    ensemble.push_back(make_predictor(data));
  }
  const std::vector<Point> places{{0.6, 0.6, 1}, {0.6, 1, 0.6}, {0.7, 0.7, 0.7}};
  const auto two = propose_points(ensemble, places, 2, 0.2);
  ASSERT_EQ(two.size(), 2u);
  const auto moment = [&](const Point& a, const Point& b) {
    double ma = 0, mb = 0, sum = 0;
    for (const auto& m : ensemble) {
      ma += m->value(a) / 30;
      mb += m->value(b) / 30;
    }
    for (const auto& m : ensemble) sum += (m->value(a) - ma) * (m->value(b) - mb) / 29;
    return sum;
  };
  const double c = moment(two[0].at, two[1].at);
  const double left = moment(two[1].at, two[1].at) - c * c / (moment(two[0].at, two[0].at) + 0.04);
  EXPECT_NEAR(two[1].spread, std::sqrt(left), 1e-9);
  EXPECT_NE(two[0].at, two[1].at);
}

TEST(ProposePoints, Refusals) {
  const std::vector<std::shared_ptr<const Predictor>> one{
      std::make_shared<LowRank>(product(0.1, {1}, {1}, {1}))};
  const std::vector<std::shared_ptr<const Predictor>> agreeing{one[0], one[0]};
  EXPECT_THROW(propose_points(one, {{0.5, 0.5, 1}}, 1, 0), std::invalid_argument);
  EXPECT_THROW(propose_points(agreeing, {{0.5, 0.5, 1}}, 0, 0), std::invalid_argument);
  EXPECT_THROW(propose_points(agreeing, {{0.5, 0.5, 1}}, 1, -1), std::invalid_argument);
  EXPECT_TRUE(propose_points(agreeing, {{0.5, 0.5, 1}}, 1, 0).empty());
  EXPECT_TRUE(propose_points(agreeing, {}, 1, 0).empty());
}

}  // namespace
}  // namespace trifold::map
