#include <algorithm>
#include <vector>

#include "kernels/backends.h"
#include "kernels/cpu/batch_norm_types.h"
#include "kernels/cpu/conv2d_passes.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/scratch.h"

namespace trifold::kernels::cpu {
namespace {

/// Makes the gradient g of what a convolution reads that of what its norm's ReLU takes, and sums it
/// up.
class InputGradient : public PartWork {
 public:
  InputGradient(const ConvInput& input, const Conv2dShape& s, const float* g)
      : input_(input),
        channels_(s.c),
        pitch_(pitch_of(*input.norm, s)),
        g_(g),
        total_(size(2 * s.c), 0.0) {}

  void expect(std::int64_t parts) override {
    add_parts();
    sums_.resize(size(parts * 2 * channels_));
  }

  void take(std::int64_t part, float* g, const Pixels& pixels) override {
    const float* const x = input_.x + (g - g_) / channels_ * pitch_;
    const float* const a = input_.a != nullptr ? input_.a + (g - g_) : nullptr;
    const std::int64_t* x_offsets = pixels.offsets;
    std::vector<std::int64_t> wider;
    if (pitch_ != channels_) {
      wider.reserve(size(pixels.count));
      for (std::int64_t i = 0; i < pixels.count; ++i) {
        wider.push_back(pixels.offsets[i] / channels_ * pitch_);
      }
      x_offsets = wider.data();
    }
    pixel_passes().gate(*input_.norm, channels_, pixels, x_offsets, x, a, g,
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

  ConvInput input_;
  std::int64_t channels_, pitch_;
  const float* g_;
  Doubles total_, sums_;
};

/// dy as an array.
const float* formed(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy) {
  if (dy.y == nullptr) return dy.g;
  thread_local Scratch scratch;
  float* const to = scratch.floats(s.y_size());
  for_ranges(ex, s.y_size() / s.k, grain_of(s.k), [&](std::int64_t begin, std::int64_t end) {
    pixel_passes().output_gradient(dy, s.k, begin, end - begin, to + begin * s.k);
  });
  return to;
}

}  // namespace

void norm_conv2d_backward(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                          const ConvInput& input, const float* w, const float* added, float* g,
                          float* sums, float* dw) {
  check(s);
  if (input.norm != nullptr) pitch_of(*input.norm, s);
  const float* const gradient = formed(ex, s, dy);
  const Source source = input.a != nullptr ? Source{input.a} : Source{input.x, input.norm};
  backward_weight_pass(ex, s, source, gradient, dw);
  if (g == nullptr) return;
  if (input.norm == nullptr) {
    backward_data_pass(ex, s, gradient, w, added, nullptr, g);
    return;
  }
  InputGradient gated(input, s, g);
  backward_data_pass(ex, s, gradient, w, added, &gated, g);
  gated.total(sums);
}

void norm_conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy,
                               const float* w, const float* x, const InputNorm& norm, float* g,
                               float* sums) {
  check(s);
  InputGradient gated({x, &norm}, s, g);
  backward_data_pass(ex, s, dy, w, nullptr, &gated, g);
  gated.total(sums);
}

void norm_conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x,
                                 const InputNorm& norm, const float* dy, float* dw) {
  check(s);
  pitch_of(norm, s);
  backward_weight_pass(ex, s, {x, &norm}, dy, dw);
}

}  // namespace trifold::kernels::cpu
