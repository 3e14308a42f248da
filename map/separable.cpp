#include "map/separable.h"

#include <cmath>
#include <vector>

namespace trifold::map {
namespace {

constexpr int kCells = 256;

double at_cell(double lower, int cell) {
  return lower * std::pow(1 / lower, static_cast<double>(cell) / kCells);
}

bool keeps_sign(const Univariate& f, double lower) {
  const bool negative = f.value(1) < 0;
  for (int cell = 0; cell <= kCells; ++cell) {
    const double y = f.value(at_cell(lower, cell));
    if (y == 0 || (y < 0) != negative) return false;
  }
  return true;
}

/// argmax over [lower, 1] of log |f(x)| - slope log x: the ends and the downward crossings of the
/// elasticity are the candidates.
double best_response(const Univariate& f, double slope, double lower) {
  const auto excess = [&](double x) { return x * f.derivative(x) / f.value(x) - slope; };
  const auto gain = [&](double x) { return std::log(std::abs(f.value(x))) - slope * std::log(x); };
  double best = gain(1.0) >= gain(lower) ? 1.0 : lower;
  for (int cell = 0; cell < kCells; ++cell) {
    double low = at_cell(lower, cell);
    double high = cell + 1 == kCells ? 1.0 : at_cell(lower, cell + 1);
    if (!(excess(low) > 0 && excess(high) <= 0)) continue;
    for (int step = 0; step < 60; ++step) {
      const double middle = (low + high) / 2;
      (excess(middle) > 0 ? low : high) = middle;
    }
    if (gain(high) > gain(best)) best = high;
  }
  return best;
}

}  // namespace

std::optional<Point> solve_separable(const LowRank::Term& factors,
                                     const std::array<double, 3>& exponents, double budget,
                                     const Point& lower) {
  const auto least = coordinates(lower);
  for (std::size_t i = 0; i < 3; ++i) {
    if (!keeps_sign(factors[i], least[i])) return std::nullopt;
  }
  const auto respond = [&](double multiplier) {
    std::array<double, 3> x{};
    for (std::size_t i = 0; i < 3; ++i) {
      x[i] = best_response(factors[i], multiplier * exponents[i], least[i]);
    }
    return x;
  };
  const auto excess_cost = [&](const std::array<double, 3>& x) {
    double sum = -std::log(budget);
    for (std::size_t i = 0; i < 3; ++i) sum += exponents[i] * std::log(x[i]);
    return sum;
  };
  const auto unconstrained = respond(0);
  if (excess_cost(unconstrained) <= 0) return point_of(unconstrained);
  double low = 0;
  double high = 1;
  while (excess_cost(respond(high)) > 0) {
    high *= 2;
    if (high > 1e12) return std::nullopt;
  }
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (excess_cost(respond(middle)) > 0 ? low : high) = middle;
  }
  const auto x = respond(high);
  if (excess_cost(x) < -1e-9) return std::nullopt;
  return point_of(x);
}

}  // namespace trifold::map
