#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/ranges.h"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/error.h"

// Scalar code in double: a batch has few logits beside its activations, and a confident net's loss
// needs the digits.
namespace trifold::kernels::cpu {
namespace {

void check(const SoftmaxShape& s, const std::int32_t* labels) {
  kernels::check(s);
  for (std::int64_t i = 0; i < s.n; ++i) {
    require<ShapeError>(labels[i] >= 0 && labels[i] < s.classes,
                        "label {} of row {} is outside [0, {})", labels[i], i, s.classes);
  }
}

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
  check(s, labels);
  const std::int64_t classes = s.classes;
  const double off_target = static_cast<double>(smoothing) / static_cast<double>(classes);
  const double on_target = 1.0 - static_cast<double>(smoothing);
  // An exponential costs as much as many plain operations, hence ranges of fewer elements.
  for_ranges(ex, s.n, grain_of(16 * classes), [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> power(static_cast<std::size_t>(classes));
    for (std::int64_t i = begin; i < end; ++i) {
      const float* row = z + i * classes;
      const std::int64_t largest = std::max_element(row, row + classes) - row;
      const double top = row[largest];
      // The sum without its largest term, 1, keeps the digits of a loss close to 0.
      double rest = 0, gaps = 0;
      for (std::int64_t j = 0; j < classes; ++j) {
        const double gap = top - row[j];
        power[static_cast<std::size_t>(j)] = std::exp(-gap);
        if (j != largest) rest += power[static_cast<std::size_t>(j)];
        gaps += gap;
      }
      const double log_sum = std::log1p(rest);  // of exp(z - top)
      const std::int64_t label = labels[i];
      double value = on_target * (top - row[label] + log_sum);
      // A logit of -inf is harmless as long as it has no share in the target.
      if (off_target > 0) value += off_target * (gaps + static_cast<double>(classes) * log_sum);
      loss[i] = static_cast<float>(value);
      if (dz == nullptr) continue;
      for (std::int64_t j = 0; j < classes; ++j) {
        const double target = off_target + (j == label ? on_target : 0.0);
        const double p = power[static_cast<std::size_t>(j)] / (1.0 + rest);
        dz[i * classes + j] = static_cast<float>((p - target) * static_cast<double>(dz_scale));
      }
    }
  });
}

void count_top1(const Exec&, const SoftmaxShape& s, const float* z, const std::int32_t* labels,
                std::int32_t* correct) {
  check(s, labels);
  *correct = top1(s, z, labels);
}

void add_to_totals(const Exec&, const SoftmaxShape& s, const float* z, const std::int32_t* labels,
                   const float* mean_loss, Totals* totals) {
  check(s, labels);
  totals->loss += static_cast<double>(*mean_loss) * static_cast<double>(s.n);
  totals->correct += top1(s, z, labels);
}

}  // namespace trifold::kernels::cpu
