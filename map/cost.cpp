#include "map/cost.h"

#include <cmath>
#include <stdexcept>
#include <utility>

namespace trifold::map {

CostModel CostModel::power_law(double a, double b, double c) {
  if (!(a > 0 && b > 0 && c > 0)) {
    throw std::invalid_argument("The exponents of a power-law cost must be positive.");
  }
  CostModel cost;
  cost.ratio_ = [=](const Point& p) {
    return std::pow(p.d, a) * std::pow(p.w, b) * std::pow(p.r, c);
  };
  cost.exponents_ = {a, b, c};
  return cost;
}

CostModel CostModel::general(std::function<double(const Point&)> ratio) {
  CostModel cost;
  cost.ratio_ = std::move(ratio);
  return cost;
}

std::array<double, 3> CostModel::elasticities(const Point& p) const {
  if (exponents_) return *exponents_;
  constexpr double kStep = 1e-5;
  std::array<double, 3> result{};
  for (std::size_t i = 0; i < 3; ++i) {
    auto above = coordinates(p);
    auto below = above;
    above[i] *= std::exp(kStep);
    below[i] *= std::exp(-kStep);
    result[i] = std::log(ratio_(point_of(above)) / ratio_(point_of(below))) / (2 * kStep);
  }
  return result;
}

}  // namespace trifold::map
