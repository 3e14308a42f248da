#include "map/univariate.h"

namespace trifold::map {
namespace {

double half_range(const Univariate& p) { return p.upper > p.lower ? (p.upper - p.lower) / 2 : 1.0; }

}  // namespace

double Univariate::scaled(double x) const { return (x - (lower + upper) / 2) / half_range(*this); }

double Univariate::value(double x) const {
  const double t = scaled(x);
  double sum = 0;
  for (auto c = coefficients.rbegin(); c != coefficients.rend(); ++c) sum = sum * t + *c;
  return sum;
}

double Univariate::derivative(double x) const {
  const double t = scaled(x);
  double sum = 0;
  for (std::size_t i = coefficients.size(); i > 1; --i) {
    sum = sum * t + static_cast<double>(i - 1) * coefficients[i - 1];
  }
  return sum / half_range(*this);
}

std::vector<double> powers(double t, std::int64_t degree) {
  std::vector<double> result(static_cast<std::size_t>(degree + 1), 1.0);
  for (std::size_t i = 1; i < result.size(); ++i) result[i] = result[i - 1] * t;
  return result;
}

}  // namespace trifold::map
