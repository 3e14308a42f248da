#include "kernels/norm_conv2d.h"

#include <vector>

#include "kernels/cpu/batch_norm_statistics.h"
#include "kernels/cpu/conv2d/passes.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

/// The statistics of what a correlation writes.
class StatisticsEpilogue : public PartEpilogue {
 public:
  explicit StatisticsEpilogue(std::int64_t channels) : channels_(channels) {}

  void start(std::int64_t parts) override {
    samples_.resize(size(parts));
    statistics_.resize(size(parts * 2 * channels_));
  }

  void apply(std::int64_t part, float* y, const Pixels& pixels) override {
    samples_[size(part)] = pixels.count;
    pixel_passes().statistics(channels_, pixels, y, statistics_.data() + part * 2 * channels_);
  }

  void merge(float* statistics) const {
    merge_statistics(samples_, channels_, statistics_, statistics);
  }

 private:
  std::int64_t channels_;
  std::vector<std::int64_t> samples_;
  Doubles statistics_;
};

}  // namespace

void norm_conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                         const InputNorm* norm, const float* w, float* y, float* statistics,
                         const BatchNormFactors* factors) {
  check(s);
  const std::int64_t pitch = norm != nullptr ? pitch_of(*norm, s) : s.c;
  StatisticsEpilogue of_y(s.k);
  forward_pass(ex, s, {x, pitch, norm}, w, {.parts = statistics != nullptr ? &of_y : nullptr}, y);
  if (statistics == nullptr) return;
  of_y.merge(statistics);
  if (factors != nullptr) make_factors(ex, {s.n * s.p() * s.q(), s.k}, statistics, *factors);
}

}  // namespace trifold::kernels::cpu
