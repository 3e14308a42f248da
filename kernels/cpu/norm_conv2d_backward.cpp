#include <algorithm>
#include <optional>
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

/// Images that are worked together, so that what one step reads or leaves is still in the cache for
/// the next. Enough of them for a step to be worth sharing, and for their arrays to outweigh the
/// weights, which every step goes through. By the shape alone.
std::int64_t images_at_a_time(const Conv2dShape& s) {
  constexpr std::int64_t cache_floats = 3 << 19;
  const std::int64_t image = 3 * (s.x_size() + s.y_size()) / s.n;
  const std::int64_t least = 16 * s.w_size();
  const std::int64_t fitting =
      std::clamp<std::int64_t>(std::max(cache_floats, least) / image, 1, s.n);
  const std::int64_t times = (s.n + fitting - 1) / fitting;
  return (s.n + times - 1) / times;
}

/// The arrays of the images from `first` on.
struct FromImage {
  const Conv2dShape& s;
  std::int64_t first;

  template <class Float>
  Float* input(Float* x, std::int64_t pitch) const {
    return x != nullptr ? x + first * s.h * s.w * pitch : nullptr;
  }
  template <class Float>
  Float* input(Float* x) const {
    return input(x, s.c);
  }
  const float* output(const float* y) const { return y + first * s.p() * s.q() * s.k; }
};

/// dy of `images` images as an array, formed in `scratch` unless it is given as one.
const float* output_gradient(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                             const FromImage& at, std::int64_t images, Scratch& scratch) {
  if (dy.y == nullptr) return at.output(dy.g);
  const std::int64_t image_pixels = s.p() * s.q(), pixels = images * image_pixels;
  float* const to = scratch.floats(pixels * s.k);
  const PixelPasses passes = pixel_passes();
  for_ranges(ex, pixels, grain_of(s.k), [&](std::int64_t begin, std::int64_t end) {
    passes.output_gradient(dy, s.k, at.first * image_pixels + begin, end - begin, to + begin * s.k);
  });
  return to;
}

}  // namespace

void norm_conv2d_backward(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                          const ConvInput& input, const float* w, const float* added, float* g,
                          float* sums, float* dw) {
  check(s);
  const std::int64_t pitch = input.norm != nullptr ? pitch_of(*input.norm, s) : s.c;
  const std::int64_t images = images_at_a_time(s);
  thread_local Scratch of_dy, of_data, of_weights;
  const auto weights = weight_gradient(s, images, of_weights);
  std::optional<DataGradient> data;
  if (g != nullptr) data.emplace(ex, s, w, of_data);
  std::optional<InputGradient> gated;
  if (g != nullptr && input.norm != nullptr) gated.emplace(input, s, g);

  for (std::int64_t first = 0; first < s.n; first += images) {
    const std::int64_t count = std::min(images, s.n - first);
    const FromImage at{s, first};
    const float* const gradient = output_gradient(ex, s, dy, at, count, of_dy);
    const Source source = input.a != nullptr ? Source{at.input(input.a), s.c}
                                             : Source{at.input(input.x, pitch), pitch, input.norm};
    weights->add(ex, count, source, gradient);
    if (data) {
      data->run(ex, count, gradient, at.input(added), gated ? &*gated : nullptr, at.input(g));
    }
  }
  weights->finish(ex, dw);
  if (gated) gated->total(sums);
}

}  // namespace trifold::kernels::cpu
