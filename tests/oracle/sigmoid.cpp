#include "tests/oracle/sigmoid.h"

#include <cmath>

namespace oracle {
namespace {

// Exact to a few units of double for every x: tanh(-x / 2) would lose the digits of small values.
double logistic(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

double sigmoid_value(Sigmoid kind, double x) {
  switch (kind) {
    case Sigmoid::sigmoid:
      return logistic(x);
    case Sigmoid::silu:
      return x * logistic(x);
    case Sigmoid::hard_sigmoid:
      return x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5;
    case Sigmoid::hard_swish:
      break;
  }
  return x <= -3 ? 0 : x >= 3 ? x : x * x / 6 + x / 2;
}

double sigmoid_slope(Sigmoid kind, double x) {
  const double s = logistic(x), ds = s * logistic(-x);
  switch (kind) {
    case Sigmoid::sigmoid:
      return ds;
    case Sigmoid::silu:
      return s + x * ds;
    case Sigmoid::hard_sigmoid:
      return x <= -3 || x >= 3 ? 0 : 1.0 / 6;
    case Sigmoid::hard_swish:
      break;
  }
  return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
}

std::vector<double> sigmoid_forward(Sigmoid kind, const std::vector<double>& x) {
  std::vector<double> y;
  for (double v : x) y.push_back(sigmoid_value(kind, v));
  return y;
}

std::vector<double> sigmoid_backward(Sigmoid kind, const std::vector<double>& x,
                                     const std::vector<double>& dy) {
  std::vector<double> dx;
  for (std::size_t i = 0; i < x.size(); ++i) dx.push_back(sigmoid_slope(kind, x[i]) * dy[i]);
  return dx;
}

}  // namespace oracle
