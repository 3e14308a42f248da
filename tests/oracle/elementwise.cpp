#include "tests/oracle/elementwise.h"

namespace oracle {

std::vector<double> relu_forward(const std::vector<double>& x) {
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] > 0 ? x[i] : 0;
  return y;
}

std::vector<double> relu_backward(const std::vector<double>& y, const std::vector<double>& dy) {
  std::vector<double> dx(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
  return dx;
}

std::vector<double> relu6_forward(const std::vector<double>& x) {
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] < 0 ? 0 : x[i] < 6 ? x[i] : 6;
  return y;
}

std::vector<double> relu6_backward(const std::vector<double>& y, const std::vector<double>& dy) {
  std::vector<double> dx(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) dx[i] = y[i] > 0 && y[i] < 6 ? dy[i] : 0;
  return dx;
}

}  // namespace oracle
