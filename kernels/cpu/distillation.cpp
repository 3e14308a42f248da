#include "kernels/distillation.h"

#include <cmath>

#include "kernels/cpu/ranges.h"
#include "kernels/cpu/softmax_row.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

/// p log(p / q) - p + q, with log_ratio = log(p / q). Both distributions sum to 1, so that these
/// terms sum to KL(p || q), too; but none is negative, and an error that all log_ratio share drops
/// out. Together that keeps the digits where p and q are nearly equal.
double divergence_term(double p, double q, double log_ratio) {
  if (p == 0) return q;
  return std::abs(log_ratio) < 1 ? p * (std::expm1(-log_ratio) + log_ratio)
                                 : p * (log_ratio - 1) + q;
}

/// KL(p || q).
double divergence(const SoftmaxRow& p, const SoftmaxRow& q, std::int64_t classes) {
  double sum = 0;
  for (std::int64_t j = 0; j < classes; ++j) {
    sum += divergence_term(p.probability(j), q.probability(j), p.log_ratio(q, j));
  }
  return sum;
}

}  // namespace

void distillation_loss(const Exec& ex, const SoftmaxShape& s, const float* z,
                       const std::int32_t* labels, float smoothing, const float* t,
                       const Distillation& distillation, float dz_scale, float* loss, float* dz) {
  check_labels(s, labels);
  const double weight = distillation.weight, temperature = distillation.temperature;
  const SmoothedTarget target(s.classes, smoothing);
  // Three softmaxes a row.
  const std::int64_t grain = grain_of(3 * operations_per_exponential * s.classes);
  for_ranges(ex, s.n, grain, [&](std::int64_t begin, std::int64_t end) {
    SoftmaxRow hard(s.classes), q(s.classes, temperature), p(s.classes, temperature);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i * s.classes;
      double value = 0;
      if (weight < 1) {
        hard.set(z + row);
        value += (1 - weight) * target.cross_entropy(hard, labels[i]);
      }
      if (weight > 0) {
        q.set(z + row);
        p.set(t + row);
        value += weight * temperature * temperature * divergence(p, q, s.classes);
      }
      loss[i] = static_cast<float>(value);
      if (dz == nullptr) continue;
      for (std::int64_t j = 0; j < s.classes; ++j) {
        double gradient = 0;
        if (weight < 1) {
          gradient += (1 - weight) * (hard.probability(j) - target.at(j, labels[i]));
        }
        if (weight > 0) {
          gradient += weight * temperature * (q.probability(j) - p.probability(j));
        }
        dz[row + j] = static_cast<float>(gradient * double{dz_scale});
      }
    }
  });
}

}  // namespace trifold::kernels::cpu
