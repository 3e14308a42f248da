#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/concat.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/lanes-inl.h"
#include "kernels/runtime/backends.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

void copy_channels(const Exec& ex, const ChannelSlice& s, Write write, const float* src,
                   float* dst) {
  constexpr std::int64_t ahead = 16;
  const auto rows = [&](std::int64_t begin, std::int64_t end, const auto& f) HWY_ATTR {
    for (std::int64_t m = begin; m < end; ++m) {
      const float* from = src + m * s.src_channels + s.src_offset;
      float* to = dst + m * s.dst_channels + s.dst_offset;
      // A slice of wide rows is no stream for the processor, which would wait for each.
      if (m + ahead < end) {
        __builtin_prefetch(from + ahead * s.src_channels);
        __builtin_prefetch(to + ahead * s.dst_channels, 1);
      }
      for_lanes(0, s.channels, [&](auto d, std::int64_t j) HWY_ATTR { f(d, from + j, to + j); });
    }
  };
  for_ranges(ex, s.rows, grain_of(s.channels), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    if (write == Write::overwrite) {
      rows(begin, end, [](auto d, const float* from, float* to) HWY_ATTR {
        hn::StoreU(hn::LoadU(d, from), d, to);
      });
    } else {
      rows(begin, end, [](auto d, const float* from, float* to) HWY_ATTR {
        hn::StoreU(hn::Add(hn::LoadU(d, to), hn::LoadU(d, from)), d, to);
      });
    }
  });
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(copy_channels);

void copy_channels(const Exec& ex, const ChannelSlice& s, Write write, const float* src,
                   float* dst) {
  check(s);
  TRIFOLD_DISPATCH(copy_channels)(ex, s, write, src, dst);
}

}  // namespace trifold::kernels::cpu
#endif
