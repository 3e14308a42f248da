#include "tests/oracle/softmax_cross_entropy.h"

#include <cmath>

namespace oracle {
namespace {

// In extended precision, so that the smallest losses are exact enough to compare with.
std::vector<long double> softmax(const double* z, std::size_t classes) {
  long double top = z[0];
  for (std::size_t j = 1; j < classes; ++j) top = std::fmax(top, z[j]);
  std::vector<long double> p(classes);
  long double sum = 0;
  for (std::size_t j = 0; j < classes; ++j) sum += p[j] = std::exp(z[j] - top);
  for (auto& v : p) v /= sum;
  return p;
}

}  // namespace

std::vector<double> softmax_cross_entropy(std::int64_t classes, const std::vector<double>& z,
                                          const std::vector<std::int32_t>& labels,
                                          double smoothing) {
  const auto k = static_cast<std::size_t>(classes);
  std::vector<double> loss(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double* row = z.data() + i * k;
    const auto p = softmax(row, k);
    for (std::size_t j = 0; j < k; ++j) {
      const double target = smoothing / static_cast<double>(classes) +
                            (static_cast<std::int32_t>(j) == labels[i] ? 1 - smoothing : 0);
      // -log p_j as log1p of the others' share keeps a small loss exact.
      long double others = 0;
      for (std::size_t l = 0; l < k; ++l) others += l == j ? 0 : p[l];
      const long double gap = others < 0.5L ? std::log1p(others / p[j]) : -std::log(p[j]);
      if (target != 0) loss[i] += target * static_cast<double>(gap);
    }
  }
  return loss;
}

std::vector<double> softmax_cross_entropy_backward(std::int64_t classes,
                                                   const std::vector<double>& z,
                                                   const std::vector<std::int32_t>& labels,
                                                   double smoothing, double scale) {
  const auto k = static_cast<std::size_t>(classes);
  std::vector<double> dz(z.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto p = softmax(z.data() + i * k, k);
    for (std::size_t j = 0; j < k; ++j) {
      const double target = smoothing / static_cast<double>(classes) +
                            (static_cast<std::int32_t>(j) == labels[i] ? 1 - smoothing : 0);
      dz[i * k + j] = static_cast<double>(p[j] - target) * scale;
    }
  }
  return dz;
}

}  // namespace oracle
