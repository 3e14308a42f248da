#include "kernels/softmax_cross_entropy.h"

#include <cmath>

#include "kernels/cpu/ranges.h"
#include "kernels/cpu/softmax_row.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

std::int32_t top1(const SoftmaxShape& s, const float* z, const std::int32_t* labels) {
  std::int32_t count = 0;
  for (std::int64_t i = 0; i < s.n; ++i) {
    const float* row = z + i * s.classes;
    const float own = row[labels[i]];
    bool wins = !std::isnan(own);
    for (std::int64_t j = 0; j < s.classes; ++j) {
      wins = wins && !(j < labels[i] ? row[j] >= own : row[j] > own);
    }
    count += wins;
  }
  return count;
}

}  // namespace

void softmax_cross_entropy(const Exec& ex, const SoftmaxShape& s, const float* z,
                           const std::int32_t* labels, float smoothing, float dz_scale, float* loss,
                           float* dz) {
  check_labels(s, labels);
  const SmoothedTarget target(s.classes, smoothing);
  const std::int64_t grain = grain_of(operations_per_exponential * s.classes);
  for_ranges(ex, s.n, grain, [&](std::int64_t begin, std::int64_t end) {
    SoftmaxRow q(s.classes);
    for (std::int64_t i = begin; i < end; ++i) {
      q.set(z + i * s.classes);
      loss[i] = static_cast<float>(target.cross_entropy(q, labels[i]));
      if (dz == nullptr) continue;
      for (std::int64_t j = 0; j < s.classes; ++j) {
        const double difference = q.probability(j) - target.at(j, labels[i]);
        dz[i * s.classes + j] = static_cast<float>(difference * double{dz_scale});
      }
    }
  });
}

void count_top1(const Exec&, const SoftmaxShape& s, const float* z, const std::int32_t* labels,
                std::int32_t* correct) {
  check_labels(s, labels);
  *correct = top1(s, z, labels);
}

void add_to_totals(const Exec&, const SoftmaxShape& s, const float* z, const std::int32_t* labels,
                   const float* mean_loss, Totals* totals) {
  check_labels(s, labels);
  totals->loss += static_cast<double>(*mean_loss) * static_cast<double>(s.n);
  totals->correct += top1(s, z, labels);
}

}  // namespace trifold::kernels::cpu
