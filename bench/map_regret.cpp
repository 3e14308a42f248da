/// What a choice of predictor costs: the regret of every family, and of the choice among them, on
/// surfaces whose optimum is known.
///
///   map_regret [SEEDS] > bench/results/pruning/regret.md
///
/// A seed is a surface of each kind, sampled with noise on the axes (four steps each down to the
/// value that alone meets the budget, and the original) and at six points off them. Every family is
/// fitted, and its best point on a net over the budget surface d w^2 r^2 = T is found; its regret is
/// the true accuracy of the net's best point less that of the one it chose, in points.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <numbers>

#include "map/budget_surface.h"
#include "map/counter_random.h"
#include "map/select.h"

namespace trifold::map {
namespace {

using Surface = std::function<double(const Point&)>;

double uniform(CounterRandom& random, double low, double high) {
  return low + (high - low) * random.uniform();
}

double normal(CounterRandom& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

/// Accuracy is a product of saturating exponentials, one a dimension: the paper's assumption.
Surface separable(CounterRandom& random) {
  const double top = uniform(random, 91, 96);
  const std::array k{uniform(random, 5, 9), uniform(random, 3.5, 7), uniform(random, 3.5, 7)};
  return [=](const Point& p) {
    double f = top;
    for (std::size_t i = 0; i < 3; ++i)
      f *= std::expm1(-k[i] * coordinates(p)[i]) / std::expm1(-k[i]);
    return f;
  };
}

/// The error is a sum of power laws, one a dimension, and of products of two logarithms.
Surface sum_of_errors(CounterRandom& random, double interaction) {
  const double offset = uniform(random, 4, 9);
  const std::array a{uniform(random, 1, 4), uniform(random, 1, 4), uniform(random, 1, 4)};
  const std::array k{uniform(random, 0.5, 1.5), uniform(random, 1, 3), uniform(random, 1, 3)};
  const double dw = interaction * uniform(random, -2, 8);
  const double wr = interaction * uniform(random, -2, 8);
  return [=](const Point& p) {
    double error = offset + dw * std::log(p.d) * std::log(p.w) + wr * std::log(p.w) * std::log(p.r);
    for (std::size_t i = 0; i < 3; ++i) error += a[i] * (std::pow(coordinates(p)[i], -k[i]) - 1);
    return 100 - error;
  };
}

Surface additive_error(CounterRandom& random) { return sum_of_errors(random, 0); }
Surface interacting(CounterRandom& random) { return sum_of_errors(random, 1); }

/// The error is an offset and one power law of all three.
Surface power_law(CounterRandom& random) {
  const double offset = uniform(random, 4, 9);
  const double c = uniform(random, 2, 6);
  const std::array k{uniform(random, 0.3, 0.9), uniform(random, 0.6, 2), uniform(random, 0.6, 2)};
  return [=](const Point& p) {
    return 100 - offset - c * std::pow(p.d, -k[0]) * std::pow(p.w, -k[1]) * std::pow(p.r, -k[2]);
  };
}

/// 13 points on the axes; with `off_axes` six more that spend the budget in two or three dimensions.
std::vector<Point> design(double budget, bool off_axes) {
  std::vector<Point> points{{1, 1, 1}};
  const double least = std::sqrt(budget);
  for (int step = 1; step <= 4; ++step) {
    const double side = 1 - (1 - least) * step / 4;
    points.push_back({1 - (1 - budget) * step / 4, 1, 1});
    points.push_back({1, side, 1});
    points.push_back({1, 1, side});
  }
  if (!off_axes) return points;
  constexpr double kThird = 1.0 / 3;
  for (const auto& [d, w, r] :
       std::initializer_list<std::array<double, 3>>{{0.5, 0.5, 0},
                                                    {0.5, 0, 0.5},
                                                    {0, 0.5, 0.5},
                                                    {kThird, kThird, kThird},
                                                    {0.6, 0.2, 0.2},
                                                    {0.2, 0.6, 0.2}}) {
    points.push_back({std::pow(budget, d), std::pow(budget, w / 2), std::pow(budget, r / 2)});
  }
  return points;
}

struct Setting {
  Surface (*make)(CounterRandom&);
  double budget;
  bool off_axes;
  double noise;
};

/// Regrets, a column each: the choice, then every family (NaN where it can't be fitted).
std::vector<double> regrets(const Setting& s, std::uint64_t seed) {
  CounterRandom shape(2 * seed);
  CounterRandom measurement(2 * seed + 1);
  const Surface truth = s.make(shape);
  std::vector<Sample> samples;
  for (const Point& p : design(s.budget, s.off_axes)) {
    samples.push_back({p, truth(p) + s.noise * normal(measurement)});
  }
  const Point lower{s.budget, std::sqrt(s.budget), std::sqrt(s.budget)};
  const std::vector<Point> net = budget_surface(CostModel::paper(), s.budget, lower, 40);
  const auto argmax = [&](const Surface& f) {
    std::vector<double> values(net.size());
    std::transform(net.begin(), net.end(), values.begin(), f);
    return net[std::size_t(std::max_element(values.begin(), values.end()) - values.begin())];
  };
  const double best = truth(argmax(truth));
  const Selection selection = select_family(samples);
  std::vector<double> result(1);
  for (const FamilyScore& row : selection.table) {
    if (!row.model) {
      result.push_back(NAN);
      continue;
    }
    const auto predicted = [&](const Point& p) { return row.model->value(p); };
    result.push_back(best - truth(argmax(predicted)));
  }
  result[0] = result[1 + selection.chosen];
  return result;
}

struct Totals {
  std::vector<double> sum;
  int count = 0;

  void add(const std::vector<double>& values) {
    if (sum.empty()) sum.assign(values.size(), 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) sum[i] += values[i];
    ++count;
  }

  /// One line of the table, and what the choice loses against the best family.
  double print(std::string_view name) const {
    double best = INFINITY;
    for (std::size_t i = 1; i < sum.size(); ++i) best = std::fmin(best, sum[i] / count);
    const double lost = sum[0] / count - best;
    fmt::print("| {} | {:.3f} | {:+.3f} |", name, sum[0] / count, lost);
    for (std::size_t i = 1; i < sum.size(); ++i) {
      std::isnan(sum[i]) ? fmt::print(" |") : fmt::print(" {:.3f} |", sum[i] / count);
    }
    fmt::print("\n");
    std::fflush(stdout);
    return lost;
  }
};

}  // namespace

void run(int seeds) {
  fmt::print(
      "# Regret of every predictor on synthetic surfaces\n\n"
      "Mean true accuracy lost, in points, against the true optimum of the budget d w^2 r^2 = T;\n"
      "{} seeds a row, a surface each. Points: 13 on the axes, or six more off them. Choice: what\n"
      "`select_family` picks, seed by seed; lost: its mean less that of the best fixed predictor "
      "of\n"
      "the row. Empty: can't be fitted to these points.\n\n"
      "The power law sampled on the axes alone is the row to read: there, it and a sum of errors, "
      "with\n"
      "or without interaction, agree but for less than the noise, while one asks for a single "
      "dimension\n"
      "to be pruned and the other for all three, so that whichever a rule prefers, it loses on the "
      "other\n"
      "surface. Points off the axes settle it. Made by\n"
      "`build/release/bin/map_regret {} > bench/results/pruning/regret.md`.\n\n"
      "| surface, T, points, noise | choice | lost |",
      seeds, seeds);
  for (const PredictorFamily& f : predictor_families()) fmt::print(" {} |", f.name);
  fmt::print("\n|---|--:|--:|");
  for (std::size_t i = 0; i < predictor_families().size(); ++i) fmt::print("--:|");
  fmt::print("\n");
  const std::pair<std::string_view, Surface (*)(CounterRandom&)> kinds[] = {
      {"separable", separable},
      {"additive error", additive_error},
      {"power law", power_law},
      {"interaction", interacting}};
  std::map<std::string, Totals> over_kinds;
  std::map<bool, double> most{{false, -INFINITY}, {true, -INFINITY}};
  for (const auto& [kind, make] : kinds) {
    for (const bool off : {false, true}) {
      for (const double budget : {0.5, 0.3}) {
        for (const double noise : {0.0, 0.2, 0.5}) {
          const Setting setting{make, budget, off, noise};
          const std::string name = fmt::format("{}, {}, {}", budget, off ? "13 + 6" : "13", noise);
          Totals row;
          for (int seed = 0; seed < seeds; ++seed) {
            const auto values = regrets(setting, static_cast<std::uint64_t>(seed));
            row.add(values);
            over_kinds[name].add(values);
          }
          most[off] = std::max(most[off], row.print(fmt::format("{}, {}", kind, name)));
        }
      }
    }
  }
  double most_over_kinds = -INFINITY;
  for (const auto& [name, row] : over_kinds) {
    most_over_kinds = std::max(most_over_kinds, row.print(fmt::format("all surfaces, {}", name)));
  }
  fmt::print(
      "\nAgainst the best fixed predictor of a row, the choice loses at most {:.3f} points with\n"
      "points off the axes, {:.3f} without; over all surfaces (nobody knows which it is), at most\n"
      "{:.3f}.\n",
      most[true], most[false], most_over_kinds);
}

}  // namespace trifold::map

int main(int argc, char** argv) {
  const int seeds = argc > 1 ? std::atoi(argv[1]) : 40;
  if (seeds < 1) {
    fmt::print(stderr, "map_regret: give a number of seeds of at least 1\n");
    return 2;
  }
  trifold::map::run(seeds);
  return 0;
}
