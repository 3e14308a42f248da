/// Loops over contiguous floats in vectors of the current target, with no element left out.
/// Included once a target by the kernels, so the guard toggles (see Highway's quick reference).

#if defined(TRIFOLD_KERNELS_CPU_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRIFOLD_KERNELS_CPU_LANES_INL_H_
#undef TRIFOLD_KERNELS_CPU_LANES_INL_H_
#else
#define TRIFOLD_KERNELS_CPU_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "kernels/cpu/ranges.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The last, less than kLanes * 2 elements: at most one vector of each smaller power of two.
template <std::size_t kLanes, class F>
HWY_INLINE void for_tail(std::int64_t i, std::int64_t end, const F& f) {
  constexpr auto step = static_cast<std::int64_t>(kLanes);
  if (i + step <= end) {
    f(hn::CappedTag<float, kLanes>(), i);
    i += step;
  }
  if constexpr (kLanes > 1) for_tail<kLanes / 2>(i, end, f);
}

/// Calls f(d, i) for vectors of the type d that start at i and together cover [begin, end) once.
/// An element takes the same operations in a vector of any width, hence the same bits.
template <class F>
HWY_INLINE void for_lanes(std::int64_t begin, std::int64_t end, const F& f) {
  const hn::ScalableTag<float> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  constexpr auto step = static_cast<std::int64_t>(lanes);
  std::int64_t i = begin;
  for (; i + step <= end; i += step) f(d, i);
  if constexpr (lanes > 1) {
    if (i < end) for_tail<lanes / 2>(i, end, f);
  }
}

/// for_lanes over [0, count), shared among the threads of ex.
template <class F>
void map_lanes(const Exec& ex, std::int64_t count, const F& f) {
  for_ranges(ex, count, grain_of(1),
             [&](std::int64_t begin, std::int64_t end) HWY_ATTR { for_lanes(begin, end, f); });
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
