#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/channel_scale.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include "kernels/channel_scale.h"
#include "kernels/cpu/lanes-inl.h"
#include "kernels/runtime/backends.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

void channel_scale(const Exec& ex, const ChannelScaleShape& s, const float* x, const float* factor,
                   float* y) {
  for_ranges(ex, s.n * s.pixels, grain_of(s.c), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      const float* const from = x + pixel * s.c;
      const float* const by = factor + pixel / s.pixels * s.c;
      float* const to = y + pixel * s.c;
      for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
        hn::StoreU(hn::Mul(hn::LoadU(d, from + l), hn::LoadU(d, by + l)), d, to + l);
      });
    }
  });
}

/// Four interleaved sums hide the latency of an addition and shorten the chain of roundings.
void channel_scale_gradient(const Exec& ex, const ChannelScaleShape& s, const float* x,
                            const float* dy, float* dfactor) {
  const auto images = [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t image = begin; image < end; ++image) {
      for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
        const std::int64_t first = image * s.pixels * s.c + l;
        const auto plus_product = [&](auto sum, std::int64_t i) HWY_ATTR {
          const std::int64_t at = first + i * s.c;
          return hn::MulAdd(hn::LoadU(d, x + at), hn::LoadU(d, dy + at), sum);
        };
        auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        std::int64_t i = 0;
        for (; i + 4 <= s.pixels; i += 4) {
          sum0 = plus_product(sum0, i);
          sum1 = plus_product(sum1, i + 1);
          sum2 = plus_product(sum2, i + 2);
          sum3 = plus_product(sum3, i + 3);
        }
        for (; i < s.pixels; ++i) sum0 = plus_product(sum0, i);
        hn::StoreU(hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)), d, dfactor + image * s.c + l);
      });
    }
  };
  for_ranges(ex, s.n, grain_of(s.pixels * s.c), images);
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(channel_scale);
HWY_EXPORT(channel_scale_gradient);

void channel_scale(const Exec& ex, const ChannelScaleShape& s, const float* x, const float* factor,
                   float* y) {
  check(s);
  TRIFOLD_DISPATCH(channel_scale)(ex, s, x, factor, y);
}

void channel_scale_gradient(const Exec& ex, const ChannelScaleShape& s, const float* x,
                            const float* dy, float* dfactor) {
  check(s);
  TRIFOLD_DISPATCH(channel_scale_gradient)(ex, s, x, dy, dfactor);
}

}  // namespace trifold::kernels::cpu
#endif
