/// Points of the three-dimensional pruning space.
#pragma once

#include <array>

namespace trifold::map {

/// Fractions of the original net's depth, width and input side, each in (0, 1]; (1, 1, 1) is the
/// original.
struct Point {
  double d = 1;
  double w = 1;
  double r = 1;

  bool operator==(const Point&) const = default;
};

/// A measured net: where it lies and its accuracy (any unit, the same for all samples).
struct Sample {
  Point at;
  double accuracy = 0;
  /// How much it counts in a fit beside the others: the variance of its noise goes with 1 / weight.
  double weight = 1;
};

/// The coordinates in the order d, w, r.
inline std::array<double, 3> coordinates(const Point& p) { return {p.d, p.w, p.r}; }

/// Inverse of coordinates().
inline Point point_of(const std::array<double, 3>& x) { return {x[0], x[1], x[2]}; }

}  // namespace trifold::map
