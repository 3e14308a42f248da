#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv2d/pixel_passes.cpp"
#include "kernels/cpu/simd.h"
// simd.h selects the targets that these compile.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/conv2d/pixel_passes.h"
#include "kernels/cpu/partial_vectors-inl.h"
#include "kernels/cpu/pointwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu {
namespace HWY_NAMESPACE {

constexpr std::int64_t kLanes = HWY_LANES(float);

/// Chains of additions side by side, to hide the latency of one.
constexpr std::int64_t kChains = 4;

/// Calls f(i, chain) for every step-th i of [0, count); chains take turns.
template <std::int64_t step, class F>
HWY_INLINE void for_pixels(std::int64_t count, const F& f) {
  std::int64_t i = 0;
  for (; i + kChains * step <= count; i += kChains * step) {
#pragma GCC unroll 4
    for (std::int64_t chain = 0; chain < kChains; ++chain) f(i + chain * step, chain);
  }
  for (; i < count; i += step) f(i, 0);
}

/// The sum over the chains, for the first `count` channels.
HWY_INLINE void add_up(const Vec (&chains)[kChains], std::int64_t count, double* total) {
  const Tag d;
  HWY_ALIGN float lanes[kChains][HWY_MAX_BYTES / sizeof(float)];
  for (std::int64_t chain = 0; chain < kChains; ++chain) hn::Store(chains[chain], d, lanes[chain]);
  for (std::int64_t c = 0; c < count; ++c) {
    total[c] = 0;
    for (std::int64_t chain = 0; chain < kChains; ++chain)
      total[c] += static_cast<double>(lanes[chain][c]);
  }
}

void normalise_pixels(const InputNorm& norm, std::int64_t channels, std::int64_t count,
                      const float* x, std::int64_t pitch, float* a) {
  const bool with_relu = norm.act == Activation::relu;
  for (std::int64_t i = 0; i < count; ++i, x += pitch, a += channels) {
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      const std::int64_t left = channels - c;
      Vec v = normalise(load_first(left, x + c), load_first(left, norm.mean + c),
                        load_first(left, norm.scale + c), load_first(left, norm.shift + c));
      if (with_relu) v = relu(v);
      store_first(v, left, a + c);
    }
  }
}

/// Deviations are summed from a centre, the mean of every eighth pixel. Its distance from the mean
/// of all is at most sqrt(8) standard deviations, for the eighth's sum of squares is no larger than
/// that of all: so the sums lose next to nothing, however large the mean.
void statistics(std::int64_t channels, const Pixels& pixels, const float* y, double* result) {
  const Tag d;
  constexpr std::int64_t step = 8;
  const auto count = static_cast<double>(pixels.count);
  const auto samples = static_cast<float>((pixels.count + step - 1) / step);
  double deviation[kLanes], squares[kLanes];
  HWY_ALIGN float centres[kLanes];
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    const std::int64_t left = channels - c, valid = left < kLanes ? left : kLanes;
    Vec sum[kChains], square[kChains];
    for (std::int64_t chain = 0; chain < kChains; ++chain) sum[chain] = square[chain] = hn::Zero(d);
    for_pixels<step>(pixels.count, [&](std::int64_t i, std::int64_t chain) HWY_ATTR {
      sum[chain] = hn::Add(sum[chain], load_first(left, y + pixels.offsets[i] + c));
    });
    const Vec centre =
        hn::Div(hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3])), hn::Set(d, samples));
    hn::Store(centre, d, centres);
    for (std::int64_t chain = 0; chain < kChains; ++chain) sum[chain] = hn::Zero(d);
    for_pixels<1>(pixels.count, [&](std::int64_t i, std::int64_t chain) HWY_ATTR {
      const Vec off = hn::Sub(load_first(left, y + pixels.offsets[i] + c), centre);
      sum[chain] = hn::Add(sum[chain], off);
      square[chain] = hn::MulAdd(off, off, square[chain]);
    });
    add_up(sum, valid, deviation);
    add_up(square, valid, squares);
    for (std::int64_t j = 0; j < valid; ++j) {
      const double off = deviation[j] / count;
      result[c + j] = static_cast<double>(centres[j]) + off;
      result[channels + c + j] = squares[j] - off * deviation[j];
    }
  }
}

void mask_and_sum(const InputNorm& norm, std::int64_t channels, const Pixels& pixels,
                  const std::int64_t* x_offsets, const float* x, const float* a, float* g,
                  double* sums) {
  const Tag d;
  const bool has_relu = norm.act == Activation::relu;
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    const std::int64_t left = channels - c, valid = left < kLanes ? left : kLanes;
    const Vec mean = load_first(left, norm.mean + c), scale = load_first(left, norm.scale + c),
              shift = load_first(left, norm.shift + c);
    Vec sum[kChains], product[kChains];
    for (std::int64_t chain = 0; chain < kChains; ++chain)
      sum[chain] = product[chain] = hn::Zero(d);
    for_pixels<1>(pixels.count, [&](std::int64_t i, std::int64_t chain) HWY_ATTR {
      const Vec value = load_first(left, x + x_offsets[i] + c);
      Vec gradient = load_first(left, g + pixels.offsets[i] + c);
      if (has_relu) {
        const Vec activation = a != nullptr ? load_first(left, a + pixels.offsets[i] + c)
                                            : normalise(value, mean, scale, shift);
        gradient = relu_masked(gradient, activation);
        store_first(gradient, left, g + pixels.offsets[i] + c);
      }
      sum[chain] = hn::Add(sum[chain], gradient);
      product[chain] = hn::MulAdd(gradient, hn::Sub(value, mean), product[chain]);
    });
    add_up(sum, valid, sums + c);
    add_up(product, valid, sums + channels + c);
  }
}

void output_gradient(const OutputGradient& from, std::int64_t channels, std::int64_t first,
                     std::int64_t count, float* dy) {
  const float *g = from.g + first * channels, *y = from.y + first * channels;
  // The coefficients stay in registers over pixels that stay in the level 1 cache: 8 KiB of each
  // array.
  const std::int64_t together = 1 + 2048 / channels;
  for (std::int64_t begin = 0; begin < count; begin += together) {
    const std::int64_t end = count - begin < together ? count : begin + together;
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      const std::int64_t left = channels - c;
      const DeferredCoefficients<Vec> deferred{
          load_first(left, from.mean + c), load_first(left, from.scale + c),
          load_first(left, from.coefficient + c), load_first(left, from.constant + c)};
      for (std::int64_t at = begin * channels + c; at < end * channels; at += channels) {
        store_first(deferred.gradient(load_first(left, g + at), load_first(left, y + at)), left,
                    dy + at);
      }
    }
  }
}

PixelPasses passes_of_target() {
  return {level_of_target(HWY_TARGET), normalise_pixels, statistics, mask_and_sum, output_gradient};
}

}  // namespace HWY_NAMESPACE
}  // namespace trifold::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(passes_of_target);

PixelPasses pixel_passes() { return TRIFOLD_DISPATCH(passes_of_target)(); }

}  // namespace trifold::kernels::cpu
#endif
