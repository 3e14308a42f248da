/// A polynomial in one variable, scaled for good conditioning.
#pragma once

#include <cstdint>
#include <vector>

namespace trifold::map {

/// p(x) = sum_i c_i t^i with t = (x - (lower + upper)/2) / ((upper - lower)/2), so that the sampled
/// range [lower, upper] maps to [-1, 1]. Where lower == upper the half range is taken as 1.
/// Outside the range the same polynomial extrapolates, and a cubic does so wildly.
struct Univariate {
  double lower = 0;
  double upper = 1;
  std::vector<double> coefficients;  ///< c_0, c_1, ...; empty means p = 0

  /// The scaled variable t.
  double scaled(double x) const;
  /// p(x), by Horner's rule.
  double value(double x) const;
  /// dp/dx.
  double derivative(double x) const;
};

/// 1, t, ..., t^degree.
std::vector<double> powers(double t, std::int64_t degree);

}  // namespace trifold::map
