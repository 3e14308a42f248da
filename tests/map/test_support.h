/// Shapes and brute-force references that the tests of the predictor share. The references use
/// plain loops over F and C and none of the solvers' code.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "map/low_rank.h"
#include "map/point.h"

namespace trifold::map::testing {

/// c_0 + c_1 x + c_2 x^2 + ... in the unscaled variable.
inline double polynomial(const std::vector<double>& c, double x) {
  double sum = 0;
  for (std::size_t i = 0; i < c.size(); ++i) sum += c[i] * std::pow(x, static_cast<double>(i));
  return sum;
}

/// A uniform real; std::uniform_real_distribution differs between standard libraries.
inline double uniform(std::mt19937_64& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
}

/// Points on the three axes through (1, 1, 1): four steps each down to `low`, and the origin.
inline std::vector<Point> axis_points(double low = 0.4) {
  std::vector<Point> points{{1, 1, 1}};
  for (int step = 1; step <= 4; ++step) {
    const double x = 1 - (1 - low) * step / 4;
    points.push_back({x, 1, 1});
    points.push_back({1, x, 1});
    points.push_back({1, 1, x});
  }
  return points;
}

/// The full grid of `side`^3 points over [low, 1]^3.
inline std::vector<Point> grid_points(int side, double low = 0.4) {
  std::vector<Point> points;
  const auto at = [&](int i) { return low + (1 - low) * i / (side - 1); };
  for (int i = 0; i < side; ++i) {
    for (int j = 0; j < side; ++j) {
      for (int k = 0; k < side; ++k) points.push_back({at(i), at(j), at(k)});
    }
  }
  return points;
}

template <typename F>
std::vector<Sample> sample(const std::vector<Point>& points, const F& f) {
  std::vector<Sample> samples;
  for (const Point& p : points) samples.push_back({p, f(p)});
  return samples;
}

/// A rank-1 predictor on [low, 1]^3 with the given coefficients in the scaled variables.
inline LowRank product(double low, const std::vector<double>& s, const std::vector<double>& u,
                       const std::vector<double>& v) {
  PredictorData data{"low_rank", 1, {}, {low, low, low}, {1.0, 1.0, 1.0}, {}};
  data.degree = {static_cast<std::int64_t>(s.size()) - 1, static_cast<std::int64_t>(u.size()) - 1,
                 static_cast<std::int64_t>(v.size()) - 1};
  for (const auto& part : {s, u, v}) {
    data.coefficients.insert(data.coefficients.end(), part.begin(), part.end());
  }
  return LowRank(data);
}

/// Random cubic on t in [-1, 1], positive, increasing, and concave: 1 + a (t - b t^2 / 2 - c t^3/3)
/// with a <= 0.3, b + c < 1.
inline std::vector<double> random_saturating(std::mt19937_64& random) {
  const double a = uniform(random, 0.02, 0.3);
  const double b = uniform(random, 0.3, 0.8);
  const double c = uniform(random, 0.0, 0.15);
  return {1, a, -a * b / 2, -a * c / 3};
}

/// Greatest F on the budget d w^2 r^2 = T inside [low, 1]^3: a fine grid of d and w, with r solved.
template <typename F>
double brute_force(const F& f, double budget, double low, int cells) {
  double best = -INFINITY;
  for (int i = 0; i <= cells; ++i) {
    for (int j = 0; j <= cells; ++j) {
      const double d = low + (1 - low) * i / cells;
      const double w = low + (1 - low) * j / cells;
      const double r = std::min(1.0, std::sqrt(budget / (d * w * w)));
      if (r >= low) best = std::max(best, f(Point{d, w, r}));
    }
  }
  return best;
}

}  // namespace trifold::map::testing
