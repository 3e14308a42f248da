#include "tests/oracle/batch_norm.h"

#include <cmath>

namespace oracle {

Statistics batch_statistics(std::int64_t channels, const std::vector<double>& x) {
  const auto k = static_cast<std::size_t>(channels);
  const auto rows = static_cast<double>(x.size() / k);
  Statistics result{std::vector<double>(k), std::vector<double>(k)};
  for (std::size_t i = 0; i < x.size(); ++i) result.mean[i % k] += x[i] / rows;
  for (std::size_t i = 0; i < x.size(); ++i) {
    result.var[i % k] += std::pow(x[i] - result.mean[i % k], 2) / rows;
  }
  return result;
}

std::vector<double> batch_norm(const std::vector<double>& x, const Statistics& statistics,
                               const std::vector<double>& gamma, const std::vector<double>& beta,
                               double eps, const std::vector<double>& residual, bool relu) {
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % gamma.size();
    y[i] = gamma[c] * (x[i] - statistics.mean[c]) / std::sqrt(statistics.var[c] + eps) + beta[c];
    if (!residual.empty()) y[i] += residual[i];
    if (relu && y[i] < 0) y[i] = 0;
  }
  return y;
}

BatchNormGradients batch_norm_backward(const std::vector<double>& x, const std::vector<double>& y,
                                       const Statistics& statistics,
                                       const std::vector<double>& gamma, double eps, bool relu,
                                       bool batch, const std::vector<double>& dy) {
  const std::size_t k = gamma.size();
  const auto rows = static_cast<double>(x.size() / k);
  BatchNormGradients result{std::vector<double>(x.size()), std::vector<double>(k),
                            std::vector<double>(k), std::vector<double>(x.size())};
  const auto inv_std = [&](std::size_t c) { return 1 / std::sqrt(statistics.var[c] + eps); };
  const auto xhat = [&](std::size_t i) { return (x[i] - statistics.mean[i % k]) * inv_std(i % k); };
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double g = relu && y[i] <= 0 ? 0 : dy[i];
    result.dresidual[i] = g;
    result.dgamma[i % k] += g * xhat(i);
    result.dbeta[i % k] += g;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % k;
    double g = result.dresidual[i];
    if (batch) g -= result.dbeta[c] / rows + xhat(i) * result.dgamma[c] / rows;
    result.dx[i] = gamma[c] * inv_std(c) * g;
  }
  return result;
}

}  // namespace oracle
