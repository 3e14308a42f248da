/// The dialect's warp operations: shuffles, votes, matches and reductions.
#pragma once

#include <cstring>

#include "kernels/simt/device.h"

namespace simt {

/// `value` of lane `source`, or the caller's own where that leaves its segment of `width` lanes.
template <class T>
T shuffle(unsigned mask, T value, unsigned source, Site site) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);
  warp_shuffle(mask, source, &value, sizeof(T), site);
  return value;
}

/// Lanes lie in segments of `width`, which PTX's masks can only name for powers of two.
inline void check_width(int width, Site site) {
  if (width < 1 || width > 32 || (width & (width - 1)) != 0) refuse_width(width, site);
}

template <class T, class Combine>
T reduce(unsigned mask, T value, Site site, Combine combine) {
  T values[32];
  warp_gather(WarpOperation::reduce, mask, &value, sizeof(T), values, site);
  bool first = true;
  T result{};
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    result = first ? values[lane] : combine(result, values[lane]);
    first = false;
  }
  return result;
}

}  // namespace simt

inline void __syncwarp(unsigned mask = 0xffffffffu, SIMT_SITE) { simt::warp_sync(mask, SIMT_HERE); }
inline unsigned __activemask() { return simt::live_lanes(); }

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, SIMT_SITE) {
  simt::check_width(width, SIMT_HERE);
  const unsigned lane = simt::lane_index(), inside = static_cast<unsigned>(width) - 1;
  return simt::shuffle(mask, value, (lane & ~inside) | (static_cast<unsigned>(source) & inside),
                       SIMT_HERE);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, SIMT_SITE) {
  simt::check_width(width, SIMT_HERE);
  const unsigned lane = simt::lane_index(), inside = static_cast<unsigned>(width) - 1;
  const unsigned source = lane ^ static_cast<unsigned>(lane_mask);
  return simt::shuffle(mask, value, (source & ~inside) > (lane & ~inside) ? lane : source,
                       SIMT_HERE);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, SIMT_SITE) {
  simt::check_width(width, SIMT_HERE);
  const unsigned lane = simt::lane_index(), extent = static_cast<unsigned>(width);
  const bool inside = (lane & (extent - 1)) + delta < extent;
  return simt::shuffle(mask, value, inside ? lane + delta : lane, SIMT_HERE);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, SIMT_SITE) {
  simt::check_width(width, SIMT_HERE);
  const unsigned lane = simt::lane_index(), extent = static_cast<unsigned>(width);
  const bool inside = (lane & (extent - 1)) >= delta;
  return simt::shuffle(mask, value, inside ? lane - delta : lane, SIMT_HERE);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, SIMT_SITE) {
  return simt::warp_vote(mask, predicate != 0, SIMT_HERE);
}
inline int __any_sync(unsigned mask, int predicate, SIMT_SITE) {
  return simt::warp_vote(mask, predicate != 0, SIMT_HERE) != 0;
}
inline int __all_sync(unsigned mask, int predicate, SIMT_SITE) {
  return simt::warp_vote(mask, predicate != 0, SIMT_HERE) == mask;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, SIMT_SITE) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return simt::warp_match(mask, bits, SIMT_HERE);
}

template <class T>
T __reduce_add_sync(unsigned mask, T value, SIMT_SITE) {
  return simt::reduce(mask, value, SIMT_HERE, [](T a, T b) { return static_cast<T>(a + b); });
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, SIMT_SITE) {
  return simt::reduce(mask, value, SIMT_HERE, [](T a, T b) { return b < a ? b : a; });
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, SIMT_SITE) {
  return simt::reduce(mask, value, SIMT_HERE, [](T a, T b) { return a < b ? b : a; });
}
