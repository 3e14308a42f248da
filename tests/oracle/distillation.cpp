#include "tests/oracle/distillation.h"

#include <cmath>

#include "tests/oracle/softmax_cross_entropy.h"

namespace oracle {
namespace {

// log softmax(z / T), in extended precision, so that the divergence of nearly equal answers is exact
// enough to compare with.
std::vector<long double> log_softmax(const double* z, std::size_t classes, double temperature) {
  long double top = z[0];
  for (std::size_t j = 1; j < classes; ++j) top = std::fmax(top, z[j]);
  long double sum = 0;
  for (std::size_t j = 0; j < classes; ++j) sum += std::exp((z[j] - top) / temperature);
  std::vector<long double> result(classes);
  for (std::size_t j = 0; j < classes; ++j) {
    result[j] = (z[j] - top) / temperature - std::log(sum);
  }
  return result;
}

}  // namespace

std::vector<double> distillation_loss(std::int64_t classes, const std::vector<double>& z,
                                      const std::vector<std::int32_t>& labels, double smoothing,
                                      const std::vector<double>& t, const Distillation& d) {
  const auto k = static_cast<std::size_t>(classes);
  std::vector<double> loss = softmax_cross_entropy(classes, z, labels, smoothing);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto log_q = log_softmax(z.data() + i * k, k, d.temperature);
    const auto log_p = log_softmax(t.data() + i * k, k, d.temperature);
    long double divergence = 0;
    for (std::size_t j = 0; j < k; ++j) divergence += std::exp(log_p[j]) * (log_p[j] - log_q[j]);
    loss[i] = static_cast<double>((1 - d.weight) * loss[i] +
                                  d.weight * d.temperature * d.temperature * divergence);
  }
  return loss;
}

std::vector<double> distillation_loss_backward(std::int64_t classes, const std::vector<double>& z,
                                               const std::vector<std::int32_t>& labels,
                                               double smoothing, const std::vector<double>& t,
                                               const Distillation& d, double scale) {
  const auto k = static_cast<std::size_t>(classes);
  std::vector<double> dz =
      softmax_cross_entropy_backward(classes, z, labels, smoothing, scale * (1 - d.weight));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto log_q = log_softmax(z.data() + i * k, k, d.temperature);
    const auto log_p = log_softmax(t.data() + i * k, k, d.temperature);
    for (std::size_t j = 0; j < k; ++j) {
      const long double difference = std::exp(log_q[j]) - std::exp(log_p[j]);
      dz[i * k + j] += static_cast<double>(scale * d.weight * d.temperature * difference);
    }
  }
  return dz;
}

}  // namespace oracle
