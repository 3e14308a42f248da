#include "kernels/norm_conv2d.h"

#include <vector>

#include "kernels/cpu/batch_norm_statistics.h"
#include "kernels/cpu/conv2d/passes.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

/// The statistics of what a correlation writes.
class OutputMoments : public PartWork {
 public:
  explicit OutputMoments(std::int64_t channels) : channels_(channels) {}

  void expect(std::int64_t parts) override {
    samples_.resize(size(parts));
    moments_.resize(size(parts * 2 * channels_));
  }

  void take(std::int64_t part, float* y, const Pixels& pixels) override {
    samples_[size(part)] = pixels.count;
    pixel_passes().moments(channels_, pixels, y, moments_.data() + part * 2 * channels_);
  }

  void join(float* moments) const { join_moments(samples_, channels_, moments_, moments); }

 private:
  std::int64_t channels_;
  std::vector<std::int64_t> samples_;
  Doubles moments_;
};

}  // namespace

void norm_conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                         const InputNorm* norm, const float* w, float* y, float* moments) {
  check(s);
  const std::int64_t pitch = norm != nullptr ? pitch_of(*norm, s) : s.c;
  OutputMoments of_y(s.k);
  forward_pass(ex, s, {x, pitch, norm}, w, {.work = moments != nullptr ? &of_y : nullptr}, y);
  if (moments != nullptr) of_y.join(moments);
}

}  // namespace trifold::kernels::cpu
