/// Sweeps over (rows, channels) arrays with a coefficient or a sum for each channel.
/// Included once a target, so the guard toggles (see Highway's quick reference).

#if defined(TRIFOLD_KERNELS_CPU_BATCH_NORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRIFOLD_KERNELS_CPU_BATCH_NORM_INL_H_
#undef TRIFOLD_KERNELS_CPU_BATCH_NORM_INL_H_
#else
#define TRIFOLD_KERNELS_CPU_BATCH_NORM_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "kernels/cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

/// Rows are contiguous, so any number of channels is swept in whole vectors: `rows` rows together
/// are `width` floats, a multiple of the lanes, and per-channel values are repeated to that width.
struct RowGroup {
  std::int64_t channels, rows, width;

  explicit RowGroup(std::int64_t channels_) : channels(channels_) {
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<float>()));
    rows = lanes / std::gcd(channels, lanes);
    while (rows * channels < 64) rows *= 2;  // keeps the chains of float additions short
    width = rows * channels;
  }

  void repeat(const float* per_channel, float* repeated) const {
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(per_channel, channels, repeated + r * channels);
    }
  }

  std::vector<float> repeat(const float* per_channel) const {
    std::vector<float> repeated(static_cast<std::size_t>(width));
    repeat(per_channel, repeated.data());
    return repeated;
  }

  /// Rows of a block of 64 KiB, which fits the second level cache, so that a second look at it is
  /// cheap; and 64 at least, so that a block's sums are little beside it. It depends on the
  /// shape alone: blocks are the parts in which sums are taken.
  std::int64_t block_rows() const {
    const std::int64_t wanted = std::max<std::int64_t>(16384 / channels, 64);
    return (wanted + rows - 1) / rows * rows;
  }
};

/// Calls f(d, i, k) for all elements i of [begin, end), which starts at a row group's begin; k is
/// the place within the group, for the repeated coefficients.
template <class F>
HWY_INLINE void sweep(const RowGroup& group, std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t base = begin; base < end; base += group.width) {
    for_lanes(0, std::min(group.width, end - base),
              [&](auto d, std::int64_t k) HWY_ATTR { f(d, base + k, k); });
  }
}

/// kSums sums a channel over the elements [begin, end), which start at a row group's begin.
/// f(d, i, k, acc) adds the terms of element i to acc[0], acc[1], ... and meets each element once.
/// `sums` is room for kSums * width floats; total[s * channels + c] gets sum s of channel c.
template <std::size_t kSums, class F>
HWY_INLINE void channel_sums(const RowGroup& group, std::int64_t begin, std::int64_t end,
                             const F& f, float* sums, double* total) {
  std::fill_n(sums, static_cast<std::int64_t>(kSums) * group.width, 0.0f);
  sweep(group, begin, end, [&](auto d, std::int64_t i, std::int64_t k) HWY_ATTR {
    std::array<hn::Vec<decltype(d)>, kSums> acc;
    for (std::size_t s = 0; s < kSums; ++s) {
      acc[s] = hn::LoadU(d, sums + static_cast<std::int64_t>(s) * group.width + k);
    }
    f(d, i, k, acc);
    for (std::size_t s = 0; s < kSums; ++s) {
      hn::StoreU(acc[s], d, sums + static_cast<std::int64_t>(s) * group.width + k);
    }
  });

  for (std::size_t s = 0; s < kSums; ++s) {
    const float* from = sums + static_cast<std::int64_t>(s) * group.width;
    double* to = total + static_cast<std::int64_t>(s) * group.channels;
    std::copy_n(from, group.channels, to);
    for (std::int64_t r = 1; r < group.rows; ++r) {
      for (std::int64_t c = 0; c < group.channels; ++c) to[c] += from[r * group.channels + c];
    }
  }
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
