#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/channel_gather.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/channel_runs.h"
#include "kernels/cpu/lanes-inl.h"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/error.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

HWY_INLINE void zero(std::int64_t count, float* y) {
  for_lanes(0, count, [=](auto d, std::int64_t i) HWY_ATTR { hn::StoreU(hn::Zero(d), d, y + i); });
}

/// One pixel of y, in blocks.
HWY_INLINE void gather_runs(std::span<const ChannelRun> runs, const float* from, float* to) {
  for (const ChannelRun& run : runs) {
    if (run.source < 0) {
      zero(run.length, to + run.target);
      continue;
    }
    for_lanes(0, run.length, [&](auto d, std::int64_t i) HWY_ATTR {
      hn::StoreU(hn::LoadU(d, from + run.source + i), d, to + run.target + i);
    });
  }
}

/// One pixel of y by scalar loads, measured to be quicker than the gather instruction.
HWY_INLINE void gather_singly(std::span<const std::int32_t> source, const float* from, float* to) {
  const std::int32_t* channel = source.data();
  const auto count = static_cast<std::int64_t>(source.size());
  for (std::int64_t j = 0; j < count; ++j) to[j] = channel[j] < 0 ? 0.0f : from[channel[j]];
}

/// A unit of work is one row of the output.
void gather_forward(const Exec& ex, const ChannelGatherShape& s,
                    std::span<const std::int32_t> source, const float* x, float* y) {
  const std::vector<ChannelRun> runs = channel_runs(source);
  // Short runs do not repay their loop.
  const bool scattered = static_cast<std::int64_t>(runs.size()) * 3 > s.k;
  const std::int64_t p = s.p(), q = s.q();
  for_ranges(ex, s.n * p, grain_of(q * s.k), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* x_row = x + (row / p * s.h + row % p * s.stride) * s.w * s.c;
      for (std::int64_t j = 0; j < q; ++j) {
        const float* from = x_row + j * s.stride * s.c;
        float* to = y + (row * q + j) * s.k;
        if (scattered) {
          gather_singly(source, from, to);
        } else {
          gather_runs(runs, from, to);
        }
      }
    }
  });
}

/// A unit of work is one row of dx, which takes its share of at most one row of dy.
void gather_backward(const Exec& ex, const ChannelGatherShape& s,
                     std::span<const std::int32_t> source, const float* dy, float* dx) {
  const std::vector<ChannelRun> runs = channel_runs(source);
  const std::int64_t p = s.p(), q = s.q();
  for_ranges(
      ex, s.n * s.h, grain_of(s.w * s.c), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
        for (std::int64_t row = begin; row < end; ++row) {
          float* dx_row = dx + row * s.w * s.c;
          zero(s.w * s.c, dx_row);
          const std::int64_t i = row % s.h;
          if (i % s.stride != 0) continue;
          const float* dy_row = dy + (row / s.h * p + i / s.stride) * q * s.k;
          for (std::int64_t j = 0; j < q; ++j) {
            const float* from = dy_row + j * s.k;
            float* to = dx_row + j * s.stride * s.c;
            for (const ChannelRun& run : runs) {
              if (run.source < 0) continue;
              for_lanes(0, run.length, [&](auto d, std::int64_t l) HWY_ATTR {
                float* sum = to + run.source + l;
                hn::StoreU(hn::Add(hn::LoadU(d, sum), hn::LoadU(d, from + run.target + l)), d, sum);
              });
            }
          }
        }
      });
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {
namespace {

/// The channel list, once all is known to be in range.
std::span<const std::int32_t> checked(const ChannelGatherShape& s, const std::int32_t* source) {
  check(s);
  for (std::int64_t j = 0; j < s.k; ++j) {
    require<ShapeError>(source[j] >= -1 && source[j] < s.c,
                        "source {} of output channel {} is outside [-1, {})", source[j], j, s.c);
  }
  return {source, static_cast<std::size_t>(s.k)};
}

}  // namespace

HWY_EXPORT(gather_forward);
HWY_EXPORT(gather_backward);

void channel_gather_forward(const Exec& ex, const ChannelGatherShape& s, const float* x,
                            const std::int32_t* source, float* y) {
  TRIFOLD_DISPATCH(gather_forward)(ex, s, checked(s, source), x, y);
}

void channel_gather_backward(const Exec& ex, const ChannelGatherShape& s, const float* dy,
                             const std::int32_t* source, float* dx) {
  TRIFOLD_DISPATCH(gather_backward)(ex, s, checked(s, source), dy, dx);
}

}  // namespace trifold::kernels::cpu
#endif
