#include "map/bernstein.h"

namespace trifold::map {
namespace {

/// c (x + y t), for polynomials in t.
std::vector<double> times(const std::vector<double>& c, double x, double y) {
  std::vector<double> result(c.size() + 1, 0.0);
  for (std::size_t i = 0; i < c.size(); ++i) {
    result[i] += x * c[i];
    result[i + 1] += y * c[i];
  }
  return result;
}

/// C(n, 0), ..., C(n, n).
std::vector<double> binomials(std::size_t n) {
  std::vector<double> row{1};
  for (std::size_t i = 0; i < n; ++i) row = times(row, 1, 1);
  return row;
}

}  // namespace

std::vector<double> bernstein(double u, std::int64_t degree) {
  std::vector<double> result = binomials(static_cast<std::size_t>(degree));
  double up = 1;
  double down = 1;
  for (std::size_t k = 0; k < result.size(); ++k) {
    result[k] *= up;
    result[result.size() - 1 - k] *= down;
    up *= u;
    down *= 1 - u;
  }
  return result;
}

std::vector<double> powers_of_bernstein(const std::vector<double>& b) {
  const std::size_t degree = b.size() - 1;
  const std::vector<double> choose = binomials(degree);
  std::vector<double> result(b.size(), 0.0);
  for (std::size_t k = 0; k <= degree; ++k) {
    std::vector<double> term{choose[k] * b[k]};
    for (std::size_t i = 0; i < degree; ++i) term = times(term, 0.5, i < k ? 0.5 : -0.5);
    for (std::size_t i = 0; i <= degree; ++i) result[i] += term[i];
  }
  return result;
}

}  // namespace trifold::map
