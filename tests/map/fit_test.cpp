/// Fits: recovery of known polynomials, gradients, stored form, refusals.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <string>

#include "map/error.h"
#include "map/full_tensor.h"
#include "map/low_rank.h"
#include "map/samples.h"
#include "tests/map/test_support.h"

namespace trifold::map {
namespace {

using testing::axis_points;
using testing::grid_points;
using testing::polynomial;
using testing::sample;
using testing::uniform;

std::vector<double> random_cubic(std::mt19937_64& random) {
  return {uniform(random, 0.5, 1.5), uniform(random, -1, 1), uniform(random, -1, 1),
          uniform(random, -1, 1)};
}

void expect_equal(const Predictor& model, const std::vector<Point>& points,
                  const std::function<double(const Point&)>& truth, double tolerance) {
  for (const Point& p : points) {
    EXPECT_NEAR(model.value(p), truth(p), tolerance) << p.d << ' ' << p.w << ' ' << p.r;
  }
}

std::string text_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const FitError& e) {
    return e.what();
  }
  return "no FitError";
}

TEST(LowRankFit, RecoversRankOneFromAxisPoints) {
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 10; ++trial) {
    // A factor near zero at (1, 1, 1) would leave the product undetermined: keep that value away.
    std::array<std::vector<double>, 3> c;
    for (auto& factor : c) {
      do {
        factor = random_cubic(random);
      } while (std::abs(polynomial(factor, 1)) < 0.3);
    }
    const auto truth = [&](const Point& p) {
      return polynomial(c[0], p.d) * polynomial(c[1], p.w) * polynomial(c[2], p.r);
    };
    const auto fit =
        fit_low_rank(sample(axis_points(), truth), {.ridge = 1e-13, .max_sweeps = 20000});
    EXPECT_TRUE(fit.report.converged) << trial;
    EXPECT_LT(fit.report.rmse, 1e-4) << trial;
    expect_equal(fit.model, grid_points(5), truth, 1e-3);  // off the axes too
  }
}

TEST(LowRankFit, RecoversRankTwoFromAnOffAxisGrid) {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 3; ++trial) {
    std::array<std::vector<double>, 6> c;
    for (auto& factor : c) factor = random_cubic(random);
    const auto truth = [&](const Point& p) {
      return polynomial(c[0], p.d) * polynomial(c[1], p.w) * polynomial(c[2], p.r) +
             polynomial(c[3], p.d) * polynomial(c[4], p.w) * polynomial(c[5], p.r);
    };
    const auto fit = fit_low_rank(sample(grid_points(5), truth),
                                  {.rank = 2, .ridge = 1e-12, .max_sweeps = 20000, .starts = 2});
    EXPECT_TRUE(fit.report.converged) << trial;
    expect_equal(fit.model, grid_points(4), truth, 2e-3);  // points between the samples
  }
}

TEST(LowRankFit, DefaultRidgeBarelyMovesAnAccuracyCurve) {
  const auto truth = [](const Point& p) {
    return 93 * (1 - 0.1 * std::pow(1 - p.d, 2)) * (1 - 0.2 * std::pow(1 - p.w, 2)) *
           (1 - 0.3 * std::pow(1 - p.r, 2));
  };
  const auto fit = fit_low_rank(sample(axis_points(), truth));
  EXPECT_TRUE(fit.report.converged);
  EXPECT_EQ(fit.report.degree, (std::array<std::int64_t, 3>{3, 3, 3}));
  expect_equal(fit.model, grid_points(5), truth, 0.05);
}

TEST(LowRankFit, SameInputSameBits) {
  const auto samples = sample(grid_points(4), [](const Point& p) { return p.d + p.w * p.r; });
  EXPECT_EQ(fit_low_rank(samples, {.rank = 2, .max_sweeps = 50}).model.data(),
            fit_low_rank(samples, {.rank = 2, .max_sweeps = 50}).model.data());
}

TEST(LowRankFit, LowersTheDegreeWhereValuesAreFew) {
  std::vector<Sample> samples;
  for (const Point& p : grid_points(5)) {
    if (p.w == 0.4 || p.w == 1) samples.push_back({{p.d, p.w, 1}, p.d + p.w});
  }
  const auto report = fit_low_rank(samples).report;
  EXPECT_EQ(report.degree, (std::array<std::int64_t, 3>{3, 1, 0}));
  EXPECT_EQ(fit_full_tensor(samples).report.degree, (std::array<std::int64_t, 3>{3, 1, 0}));
}

TEST(LowRankFit, KeepsTheSampledRange) {
  const auto fit = fit_low_rank(sample(axis_points(0.5), [](const Point& p) { return p.d; }));
  EXPECT_EQ(fit.model.lower(), (Point{0.5, 0.5, 0.5}));
  EXPECT_EQ(fit.model.upper(), (Point{1, 1, 1}));
}

TEST(LowRankFit, RefusesWhatItCannotDetermine) {
  const auto flat = [](const Point&) { return 1.0; };
  const auto axes = sample(axis_points(), flat);
  EXPECT_NE(text_of([&] { fit_low_rank(axes, {.rank = 2}); }).find("axes through one point"),
            std::string::npos);
  // Two values a dimension give 1 + 3 free parameters; without the base point there are 3 samples.
  const std::vector<Sample> few{{{0.5, 1, 1}, 1}, {{1, 0.5, 1}, 1}, {{1, 1, 0.5}, 1}};
  EXPECT_NE(text_of([&] { fit_low_rank(few); }).find("free parameters"), std::string::npos)
      << text_of([&] { fit_low_rank(few); });
  EXPECT_THROW(fit_low_rank({}), FitError);
  EXPECT_THROW(fit_low_rank({{{0, 1, 1}, 1}}), FitError);
  EXPECT_THROW(fit_low_rank({{{1, 1.5, 1}, 1}}), FitError);
  EXPECT_THROW(fit_low_rank({{{1, 1, NAN}, 1}}), FitError);
  EXPECT_THROW(fit_low_rank({{{1, 1, 1}, INFINITY}}), FitError);
  EXPECT_THROW(fit_low_rank(axes, {.degree = -1}), FitError);
  EXPECT_THROW(fit_low_rank(axes, {.degree = 16}), FitError);
  EXPECT_THROW(fit_low_rank(axes, {.rank = 0}), FitError);
  EXPECT_THROW(fit_low_rank(axes, {.ridge = -1}), FitError);
  EXPECT_THROW(fit_low_rank(axes, {.tolerance = 0}), FitError);
  EXPECT_THROW(fit_full_tensor(axes, {.ridge = -1}), FitError);
  EXPECT_THROW(fit_full_tensor({}), FitError);
}

TEST(AxisOnly, FindsABasePointThatIsNotTheCorner) {
  EXPECT_TRUE(axis_only({{{0.5, 1, 1}, 0}, {{1, 0.5, 1}, 0}}));  // base (1, 1, 1), not sampled
  EXPECT_TRUE(axis_only({{{0.5, 0.5, 0.5}, 0}, {{0.7, 0.5, 0.5}, 0}, {{0.5, 0.5, 1}, 0}}));
  EXPECT_FALSE(axis_only({{{1, 1, 1}, 0}, {{0.5, 1, 1}, 0}, {{1, 0.5, 0.5}, 0}}));
}

TEST(FullTensorFit, RecoversACoupledCubic) {
  const auto truth = [](const Point& p) {
    return 1 + p.d * p.w - 2 * p.w * p.w * p.r + std::pow(p.d * p.w * p.r, 3) + p.r * p.d * p.d;
  };
  const auto fit = fit_full_tensor(sample(grid_points(5), truth), {.ridge = 0});
  EXPECT_EQ(fit.report.rank, 64);
  EXPECT_LT(fit.report.rmse, 1e-12);
  expect_equal(fit.model, grid_points(4), truth, 1e-10);
}

TEST(FullTensorFit, TakesTheLeastNormWhereSamplesAreFew) {
  const auto truth = [](const Point& p) { return p.d + p.w + p.r; };
  const auto fit = fit_full_tensor(sample(axis_points(), truth), {.ridge = 0});
  EXPECT_EQ(fit.report.rank, 10);  // one constant and three cubics
  expect_equal(fit.model, axis_points(), truth, 1e-10);
}

TEST(Predictor, GradientMatchesFiniteDifferences) {
  std::mt19937_64 random(3);
  const auto samples = sample(grid_points(4), [&](const Point&) { return uniform(random, 1, 2); });
  const auto low = fit_low_rank(samples, {.rank = 2, .max_sweeps = 20}).model;
  const auto full = fit_full_tensor(samples).model;
  for (const Predictor* model : std::initializer_list<const Predictor*>{&low, &full}) {
    for (const Point& p : grid_points(3)) {
      const auto gradient = coordinates(model->gradient(p));
      for (std::size_t i = 0; i < 3; ++i) {
        auto above = coordinates(p);
        auto below = above;
        above[i] += 1e-5;
        below[i] -= 1e-5;
        const double slope = (model->value(point_of(above)) - model->value(point_of(below))) / 2e-5;
        EXPECT_NEAR(gradient[i], slope, 1e-5 * (1 + std::abs(slope)));
      }
    }
  }
}

TEST(Predictor, StoredFormGivesTheSameBits) {
  std::mt19937_64 random(4);
  const auto samples = sample(grid_points(4), [&](const Point&) { return uniform(random, 1, 2); });
  const auto low = fit_low_rank(samples, {.rank = 2, .max_sweeps = 20}).model;
  const auto full = fit_full_tensor(samples).model;
  for (const Predictor* model : std::initializer_list<const Predictor*>{&low, &full}) {
    PredictorData data = model->data();
    // By way of decimal text, as a JSON file would hold it.
    for (double& c : data.coefficients) c = std::stod(fmt::format("{}", c));
    EXPECT_EQ(data, model->data());
    const auto again = make_predictor(data);
    EXPECT_EQ(again->data(), model->data());
    for (const Point& p : grid_points(3)) {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(again->value(p)),
                std::bit_cast<std::uint64_t>(model->value(p)));
    }
  }
}

TEST(Predictor, RefusesDamagedStoredForms) {
  const PredictorData good = testing::product(0.4, {1, 2}, {1}, {1, 2, 3}).data();
  EXPECT_NO_THROW(make_predictor(good));
  const auto refused = [&](const std::function<void(PredictorData&)>& damage) {
    PredictorData bad = good;
    damage(bad);
    EXPECT_THROW(make_predictor(bad), FitError);
  };
  refused([](PredictorData& d) { d.kind = "spline"; });
  refused([](PredictorData& d) { d.rank = 0; });
  refused([](PredictorData& d) { d.rank = std::int64_t{1} << 60; });
  refused([](PredictorData& d) { d.degree[1] = -1; });
  refused([](PredictorData& d) { d.degree[2] = std::int64_t{1} << 62; });
  refused([](PredictorData& d) { d.lower.d = 2; });
  refused([](PredictorData& d) { d.upper.w = NAN; });
  refused([](PredictorData& d) { d.coefficients.pop_back(); });
  refused([](PredictorData& d) { d.coefficients[0] = INFINITY; });
}

}  // namespace
}  // namespace trifold::map
