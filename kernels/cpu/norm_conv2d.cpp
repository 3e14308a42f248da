#include "kernels/norm_conv2d.h"

#include <algorithm>
#include <vector>

#include "kernels/backends.h"
#include "kernels/cpu/batch_norm_statistics.h"
#include "kernels/cpu/conv2d_passes.h"

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

/// Makes the gradient g of a norm's result that of what its ReLU takes, and sums it up.
class InputGradient : public PartWork {
 public:
  InputGradient(const InputNorm& norm, const Conv2dShape& s, const float* x, const float* g)
      : norm_(norm),
        channels_(s.c),
        pitch_(pitch_of(norm, s)),
        x_(x),
        g_(g),
        total_(size(2 * s.c), 0.0) {}

  void expect(std::int64_t parts) override {
    add_parts();
    sums_.resize(size(parts * 2 * channels_));
  }

  void take(std::int64_t part, float* g, const Pixels& pixels) override {
    const float* const x = x_ + (g - g_) / channels_ * pitch_;
    const std::int64_t* x_offsets = pixels.offsets;
    std::vector<std::int64_t> wider;
    if (pitch_ != channels_) {
      wider.reserve(size(pixels.count));
      for (std::int64_t i = 0; i < pixels.count; ++i) {
        wider.push_back(pixels.offsets[i] / channels_ * pitch_);
      }
      x_offsets = wider.data();
    }
    pixel_passes().gate(norm_, channels_, pixels, x_offsets, x, g,
                        sums_.data() + part * 2 * channels_);
  }

  void total(float* sums) {
    add_parts();
    std::copy(total_.begin(), total_.end(), sums);
  }

 private:
  void add_parts() {
    for (std::size_t part = 0; part < sums_.size(); part += total_.size()) {
      for (std::size_t i = 0; i < total_.size(); ++i) total_[i] += sums_[part + i];
    }
    sums_.clear();
  }

  InputNorm norm_;
  std::int64_t channels_, pitch_;
  const float* x_;
  const float* g_;
  Doubles total_, sums_;
};

}  // namespace

void norm_conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                         const InputNorm* norm, const float* w, float* y, float* moments) {
  check(s);
  if (norm != nullptr) pitch_of(*norm, s);
  OutputMoments of_y(s.k);
  forward_pass(ex, s, {x, norm}, w, {.work = moments != nullptr ? &of_y : nullptr}, y);
  if (moments != nullptr) of_y.join(moments);
}

void norm_conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy,
                               const float* w, const float* x, const InputNorm& norm, float* g,
                               float* sums) {
  check(s);
  InputGradient gradient(norm, s, x, g);
  backward_data_pass(ex, s, dy, w, Write::overwrite, &gradient, g);
  gradient.total(sums);
}

void norm_conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x,
                                 const InputNorm& norm, const float* dy, float* dw) {
  check(s);
  pitch_of(norm, s);
  backward_weight_pass(ex, s, {x, &norm}, dy, dw);
}

}  // namespace trifold::kernels::cpu
