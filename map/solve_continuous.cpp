#include "map/solve_continuous.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "map/error.h"
#include "map/separable.h"

namespace trifold::map {
namespace {

using Vector = std::array<double, 3>;

constexpr int kGridCells = 24;
constexpr double kInfeasible = -std::numeric_limits<double>::infinity();

/// The search box in logarithms: u = log x, from log lower to 0.
struct Search {
  const Predictor& predictor;
  const CostModel& cost;
  double budget;
  Vector lower;

  static Point point(const Vector& u) { return {std::exp(u[0]), std::exp(u[1]), std::exp(u[2])}; }

  /// F, or -infinity outside box or budget.
  double value(const Vector& u) const {
    for (std::size_t i = 0; i < 3; ++i) {
      if (u[i] < lower[i] || u[i] > 0) return kInfeasible;
    }
    const Point p = point(u);
    return cost.ratio(p) <= budget ? predictor.value(p) : kInfeasible;
  }

  /// Sets u[solved] to the greatest value that the budget allows (lower if none does).
  Vector on_budget(Vector u, std::size_t solved) const {
    if (const auto& e = cost.exponents()) {
      // log C is linear; the margin keeps rounding from spending more than the budget.
      constexpr double kMargin = 1e-14;
      double left = std::log(budget) - kMargin;
      for (std::size_t i = 0; i < 3; ++i) left -= i == solved ? 0.0 : (*e)[i] * u[i];
      u[solved] = std::clamp(left / (*e)[solved], lower[solved], 0.0);
      return u;
    }
    double low = lower[solved];
    double high = 0;
    u[solved] = high;
    if (cost.ratio(point(u)) <= budget) return u;
    for (int step = 0; step < 55; ++step) {
      u[solved] = (low + high) / 2;
      (cost.ratio(point(u)) <= budget ? low : high) = u[solved];
    }
    u[solved] = low;
    return u;
  }
};

struct Candidate {
  Vector u{};
  double value = kInfeasible;
};

/// Pattern search: moves to the best neighbour in the free directions, else halves the step. Each
/// trial is clamped to the box and passed through `complete`. A gain within the rounding error of F
/// does not count, and each step size gets few moves: along an edge of the budget surface that no
/// direction of the pattern follows, the search would creep on for millions of moves. The searches
/// that solve another coordinate from the budget see that edge as a straight side of their box.
Candidate refine(const Search& search, Candidate best, const std::array<bool, 3>& free,
                 const std::function<Vector(const Vector&)>& complete) {
  constexpr int kMoves = 16;
  int moves = 0;
  for (double step = 1.0 / kGridCells; step > 1e-10;) {
    const Candidate centre = best;
    const double rounding = 1e-15 * std::abs(centre.value);
    for (int direction = 0; direction < 27; ++direction) {
      const std::array<int, 3> sign{direction % 3 - 1, direction / 3 % 3 - 1, direction / 9 - 1};
      Vector u = centre.u;
      bool allowed = true;
      for (std::size_t i = 0; i < 3; ++i) {
        allowed = allowed && (free[i] || sign[i] == 0);
        u[i] = std::clamp(u[i] + sign[i] * step * -search.lower[i], search.lower[i], 0.0);
      }
      if (!allowed) continue;
      u = complete(u);
      const double value = search.value(u);
      if (value > std::max(best.value, centre.value + rounding)) best = {u, value};
    }
    if (best.u == centre.u || ++moves == kMoves) {
      step /= 2;
      moves = 0;
    }
  }
  return best;
}

/// Grid over the free directions, then refinement of the best cells.
Candidate grid_search(const Search& search, const std::array<bool, 3>& free,
                      const std::function<Vector(const Vector&)>& complete) {
  constexpr std::size_t kRefined = 8;
  std::vector<Candidate> cells;
  const auto last = [&](std::size_t i) { return free[i] ? kGridCells : 0; };
  for (int a = 0; a <= last(0); ++a) {
    for (int b = 0; b <= last(1); ++b) {
      for (int c = 0; c <= last(2); ++c) {
        const Vector u = complete({search.lower[0] * (1 - double(a) / kGridCells),
                                   search.lower[1] * (1 - double(b) / kGridCells),
                                   search.lower[2] * (1 - double(c) / kGridCells)});
        cells.push_back({u, search.value(u)});
      }
    }
  }
  const auto kept = std::min(kRefined, cells.size());
  std::partial_sort(cells.begin(), cells.begin() + std::ptrdiff_t(kept), cells.end(),
                    [](const Candidate& x, const Candidate& y) {
                      return x.value != y.value ? x.value > y.value : x.u < y.u;
                    });
  Candidate best;
  for (std::size_t i = 0; i < kept; ++i) {
    if (!std::isfinite(cells[i].value)) break;
    const Candidate refined = refine(search, cells[i], free, complete);
    if (refined.value > best.value) best = refined;
  }
  return best;
}

Point solve_general(const Search& search) {
  // The lower corner is feasible, so there always is a best.
  Candidate best{search.lower, search.value(search.lower)};
  const auto consider = [&](const Candidate& c) {
    if (c.value > best.value) best = c;
  };
  for (std::size_t solved = 0; solved < 3; ++solved) {
    std::array<bool, 3> free{true, true, true};
    free[solved] = false;
    consider(
        grid_search(search, free, [&](const Vector& u) { return search.on_budget(u, solved); }));
  }
  consider(grid_search(search, {true, true, true}, [](const Vector& u) { return u; }));
  return Search::point(best.u);
}

/// Multiplier, active bounds and residual at a solution.
ContinuousSolution describe(const Search& search, const Point& at, const Vector& lower) {
  ContinuousSolution s;
  s.at = at;
  s.accuracy = search.predictor.value(at);
  s.cost = search.cost.ratio(at);
  s.cost_elasticity = search.cost.elasticities(at);
  const Vector x = coordinates(at);
  const Vector gradient = coordinates(search.predictor.gradient(at));
  double product = 0;
  double squares = 0;
  double least_multiplier = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    s.accuracy_elasticity[i] = x[i] * gradient[i] / s.accuracy;
    const double f = s.accuracy_elasticity[i];
    const double c = s.cost_elasticity[i];
    if (x[i] <= lower[i] * (1 + 1e-9)) {
      s.active[i] = Bound::lower;
      least_multiplier = std::max(least_multiplier, f / c);
    } else if (x[i] >= 1 - 1e-9) {
      s.active[i] = Bound::upper;
    } else {
      product += f * c;
      squares += c * c;
    }
  }
  const bool slack = s.cost < search.budget * (1 - 1e-8);
  if (!slack) s.multiplier = squares > 0 ? std::max(0.0, product / squares) : least_multiplier;
  for (std::size_t i = 0; i < 3; ++i) {
    const double excess = s.accuracy_elasticity[i] - s.multiplier * s.cost_elasticity[i];
    double violation = std::abs(excess);
    if (s.active[i] == Bound::lower) violation = std::max(0.0, excess);
    if (s.active[i] == Bound::upper) violation = std::max(0.0, -excess);
    s.kkt_residual = std::max(s.kkt_residual, violation);
  }
  return s;
}

}  // namespace

ContinuousSolution solve_continuous(const Predictor& predictor, const CostModel& cost,
                                    double budget, const Point& lower) {
  const Vector least = coordinates(lower);
  for (double x : least) {
    if (!(x > 0 && x <= 1)) throw std::invalid_argument("Lower bounds must lie in (0, 1].");
  }
  if (!(budget > 0)) throw std::invalid_argument("The cost budget must be positive.");
  const double cheapest = cost.ratio(lower);
  if (cheapest > budget) {
    throw InfeasibleError(fmt::format(
        "The lower bounds ({}, {}, {}) already cost {}, more than the budget {}; lower them or "
        "raise the budget.",
        lower.d, lower.w, lower.r, cheapest, budget));
  }
  const Search search{
      predictor, cost, budget, {std::log(least[0]), std::log(least[1]), std::log(least[2])}};
  const auto* product = dynamic_cast<const LowRank*>(&predictor);
  if (product != nullptr && product->terms().size() == 1 && cost.exponents()) {
    const auto at = solve_separable(product->terms()[0], *cost.exponents(), budget, lower);
    if (at && predictor.value(*at) > 0) return describe(search, *at, least);
  }
  return describe(search, solve_general(search), least);
}

bool is_kkt_point(const ContinuousSolution& solution) {
  double greatest = 1e-6;  // a flat F meets the conditions anywhere
  for (double e : solution.accuracy_elasticity) greatest = std::max(greatest, std::abs(e));
  return solution.kkt_residual <= 1e-3 * greatest;
}

std::string explain(const ContinuousSolution& solution) {
  constexpr std::array<std::string_view, 3> kNames{"d", "w", "r"};
  std::string text =
      is_kkt_point(solution)
          ? fmt::format("A KKT point: one percent of cost is worth {:.3g} percent of accuracy",
                        solution.multiplier)
          : fmt::format("Not a KKT point: the conditions are missed by {:.3g}",
                        solution.kkt_residual);
  for (std::size_t i = 0; i < 3; ++i) {
    if (solution.active[i] == Bound::none) continue;
    text += fmt::format(", {} lies on its {} bound", kNames[i],
                        solution.active[i] == Bound::lower ? "lower" : "upper");
  }
  text += '.';
  for (std::size_t i = 0; i < 3; ++i) {
    if (solution.accuracy_elasticity[i] >= -1e-6) continue;
    text += fmt::format(
        " The predictor falls as {} grows there (elasticity {:.3g}): the point rests on that fall, "
        "which no gain of capacity explains.",
        kNames[i], solution.accuracy_elasticity[i]);
  }
  return text;
}

}  // namespace trifold::map
