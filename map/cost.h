/// Cost models for the continuous solver.
#pragma once

#include <array>
#include <functional>
#include <optional>

#include "map/point.h"

namespace trifold::map {

/// C(d, w, r): remaining fraction of the original cost, continuous, positive, and increasing in
/// each coordinate.
class CostModel {
 public:
  /// C = d^a w^b r^c with positive exponents. Throws std::invalid_argument otherwise.
  static CostModel power_law(double a, double b, double c);
  /// The paper's model: C = d w^2 r^2.
  static CostModel paper() { return power_law(1, 2, 2); }
  /// Any other ratio; its elasticities are taken numerically.
  static CostModel general(std::function<double(const Point&)> ratio);

  double ratio(const Point& p) const { return ratio_(p); }
  /// x C_x / C for d, w, r: the exponents of a power law, else central differences of log C over
  /// log x with step 1e-5 (error about 1e-10 for smooth C).
  std::array<double, 3> elasticities(const Point& p) const;
  /// (a, b, c) if this is a power law.
  const std::optional<std::array<double, 3>>& exponents() const { return exponents_; }

 private:
  std::function<double(const Point&)> ratio_;
  std::optional<std::array<double, 3>> exponents_;
};

}  // namespace trifold::map
