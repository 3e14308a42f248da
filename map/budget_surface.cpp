#include "map/budget_surface.h"

#include <cmath>
#include <stdexcept>

namespace trifold::map {

std::vector<Point> budget_surface(const CostModel& cost, double budget, const Point& lower,
                                  int cells) {
  const auto least = coordinates(lower);
  for (double x : least) {
    if (!(x > 0 && x <= 1)) throw std::invalid_argument("Lower bounds must lie in (0, 1].");
  }
  if (!(budget > 0) || cells < 1) {
    throw std::invalid_argument("A budget surface needs a positive budget and at least one cell.");
  }
  std::vector<Point> surface;
  for (std::size_t solved = 0; solved < 3; ++solved) {
    const std::size_t first = (solved + 1) % 3;
    const std::size_t second = (solved + 2) % 3;
    for (int a = 0; a <= cells; ++a) {
      for (int b = 0; b <= cells; ++b) {
        std::array<double, 3> x{};
        x[first] = std::pow(least[first], double(a) / cells);
        x[second] = std::pow(least[second], double(b) / cells);
        const auto ratio = [&](double third) {
          x[solved] = third;
          return cost.ratio(point_of(x));
        };
        double low = least[solved];
        double high = 1;
        if (ratio(low) > budget || ratio(high) < budget) continue;
        for (int step = 0; step < 50; ++step) {
          const double middle = (low + high) / 2;
          (ratio(middle) <= budget ? low : high) = middle;
        }
        x[solved] = low;
        surface.push_back(point_of(x));
      }
    }
  }
  return surface;
}

}  // namespace trifold::map
