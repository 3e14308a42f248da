/// What every family of predictors has to keep: gradients, the stored form, monotony, determinism.
#include "map/families.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>

#include "map/error.h"
#include "map/solve_continuous.h"
#include "tests/map/test_support.h"

namespace trifold::map {
namespace {

using testing::axis_points;
using testing::grid_points;

/// Accuracies with a rise where the width falls, as short training can give, and noise.
std::vector<Sample> noisy_samples(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto points = axis_points(0.5);
  for (const Point& p : grid_points(3, 0.6)) {
    if ((p.d < 1) + (p.w < 1) + (p.r < 1) >= 2) points.push_back(p);
  }
  return testing::sample(points, [&](const Point& p) {
    return 92 - 3 * std::pow(1 - p.d, 2) - 4 * (1 - p.r) + 3 * std::sin(9 * p.w) +
           testing::uniform(random, -0.5, 0.5);
  });
}

class Family : public ::testing::TestWithParam<std::string> {
 protected:
  const PredictorFamily& family = predictor_family(GetParam());
  std::vector<Sample> samples = noisy_samples(21);
  std::unique_ptr<Predictor> model = family.fit(samples);
};

TEST_P(Family, GradientMatchesFiniteDifferences) {
  for (const Point& p : grid_points(4, 0.55)) {
    const auto gradient = coordinates(model->gradient(p));
    for (std::size_t i = 0; i < 3; ++i) {
      auto above = coordinates(p);
      auto below = above;
      above[i] += 1e-5;
      below[i] -= 1e-5;
      const double slope = (model->value(point_of(above)) - model->value(point_of(below))) / 2e-5;
      EXPECT_NEAR(gradient[i], slope, 1e-5 * (1 + std::abs(slope))) << i;
    }
  }
}

TEST_P(Family, StoredFormGivesTheSameBits) {
  PredictorData data = model->data();
  for (double& c : data.coefficients) c = std::stod(fmt::format("{}", c));
  EXPECT_EQ(data, model->data());
  const auto again = make_predictor(data);
  EXPECT_EQ(again->data(), model->data());
  EXPECT_EQ(again->lower(), model->lower());
  EXPECT_EQ(again->upper(), model->upper());
  const auto bits = [](double x) { return std::bit_cast<std::uint64_t>(x); };
  for (const Point& p : grid_points(3)) {
    EXPECT_EQ(bits(again->value(p)), bits(model->value(p)));
    EXPECT_EQ(bits(again->gradient(p).w), bits(model->gradient(p).w));
  }
}

TEST_P(Family, RefusesDamagedStoredForms) {
  const auto refused = [&](const std::function<void(PredictorData&)>& damage) {
    PredictorData bad = model->data();
    damage(bad);
    EXPECT_THROW(make_predictor(bad), FitError);
  };
  refused([](PredictorData& d) { d.coefficients.pop_back(); });
  refused([](PredictorData& d) { d.coefficients.clear(); });
  refused([](PredictorData& d) { d.coefficients[1] = NAN; });
  refused([](PredictorData& d) { d.lower.w = 2; });
  refused([](PredictorData& d) { d.kind = "spline"; });
}

TEST_P(Family, SameSamplesSameBits) { EXPECT_EQ(family.fit(samples)->data(), model->data()); }

TEST_P(Family, WeightTwoCountsAsTwoSamples) {
  // The ridge sees the number of samples too, hence a small difference. A Gaussian process reads off
  // equal repeats that there is no noise, so that its lengths and noise change.
  std::vector<Sample> weighted = samples;
  std::vector<Sample> repeated = samples;
  for (std::size_t i = 0; i < samples.size(); i += 3) {
    weighted[i].weight = 2;
    repeated.push_back(samples[i]);
  }
  const auto a = family.fit(weighted);
  const auto b = family.fit(repeated);
  double moved = 0;
  double apart = 0;
  for (const Point& p : grid_points(4, 0.5)) {
    moved = std::max(moved, std::abs(a->value(p) - model->value(p)));
    apart = std::max(apart, std::abs(a->value(p) - b->value(p)));
  }
  EXPECT_GT(moved, 1e-3);
  if (family.name != "gaussian-process") {
    EXPECT_LT(apart, 0.5 * moved);
  }
}

TEST_P(Family, NeverFallsIfItSaysSo) {
  double steepest_fall = 0;
  for (const Point& p : grid_points(9, 0.5)) {
    for (double slope : coordinates(model->gradient(p))) {
      steepest_fall = std::max(steepest_fall, -slope);
    }
  }
  // The samples rise where the width falls, so that a family that may follow them does.
  if (family.monotone) {
    EXPECT_LT(steepest_fall, 1e-9);
  } else if (family.name != "rank1-degree1") {
    EXPECT_GT(steepest_fall, 0.1);
  }
}

TEST_P(Family, SolvesToAKktPointAsGoodAsBruteForce) {
  for (const double budget : {0.2, 0.4, 0.7}) {
    SCOPED_TRACE(budget);
    const auto s = solve_continuous(*model, CostModel::paper(), budget, {0.5, 0.5, 0.5});
    const double reference =
        testing::brute_force([&](const Point& p) { return model->value(p); }, budget, 0.5, 200);
    EXPECT_GE(s.accuracy, reference - 1e-6);
    EXPECT_LE(s.cost, budget * (1 + 1e-9));
    EXPECT_LT(s.kkt_residual, 1e-4);
    EXPECT_TRUE(is_kkt_point(s));
  }
}

TEST_P(Family, RefusesBadSamples) {
  EXPECT_THROW(family.fit({}), FitError);
  samples[3].accuracy = NAN;
  EXPECT_THROW(family.fit(samples), FitError);
  samples[3] = {{0.5, 1, 1}, 90, 0};
  EXPECT_THROW(family.fit(samples), FitError);
}

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const PredictorFamily& f : predictor_families()) result.push_back(f.name);
  return result;
}

INSTANTIATE_TEST_SUITE_P(All, Family, ::testing::ValuesIn(names()), [](const auto& test) {
  std::string name = test.param;
  std::erase(name, '-');
  return name;
});

TEST(Families, HoldThePapersAndCountItsParameters) {
  const auto samples = testing::sample(axis_points(), [](const Point& p) { return p.d; });
  EXPECT_EQ(predictor_family(kPaperFamily).free_parameters(samples), 10);
  EXPECT_EQ(predictor_family("rank2-degree3").free_parameters(samples), 20);
  EXPECT_EQ(predictor_family("full-tensor").free_parameters(samples), 64);
  EXPECT_EQ(predictor_family("power-law").free_parameters(samples), 5);
  EXPECT_EQ(predictor_family("log-quadratic").free_parameters(samples), 7);  // no pairs on axes
  EXPECT_EQ(predictor_family("log-quadratic").free_parameters(noisy_samples(1)), 10);
}

TEST(Families, NameTheKnownOnes) {
  try {
    predictor_family("spline");
    FAIL() << "expected an exception";
  } catch (const std::invalid_argument& e) {
    for (const PredictorFamily& f : predictor_families()) {
      EXPECT_NE(std::string(e.what()).find(f.name), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace trifold::map
