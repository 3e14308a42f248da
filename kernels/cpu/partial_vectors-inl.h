/// Loads and stores of the first lanes of a vector, which touch no memory behind them.
/// Included once a target by the kernels, so the guard toggles (see Highway's quick reference).

#if defined(TRIFOLD_KERNELS_CPU_PARTIAL_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRIFOLD_KERNELS_CPU_PARTIAL_VECTORS_INL_H_
#undef TRIFOLD_KERNELS_CPU_PARTIAL_VECTORS_INL_H_
#else
#define TRIFOLD_KERNELS_CPU_PARTIAL_VECTORS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

/// AVX2 and AVX-512 mask memory accesses in hardware: a masked lane can't fault.
constexpr bool kMasksMemory = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3;

/// The first `count` lanes, 1 <= count <= lanes; the others are zero.
HWY_INLINE Vec load_part(std::int64_t count, const float* from) {
  const Tag d;
  if constexpr (kMasksMemory) {
    return hn::MaskedLoad(hn::FirstN(d, static_cast<std::size_t>(count)), d, from);
  } else {
    HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
    for (std::int64_t i = 0; i < count; ++i) lanes[i] = from[i];
    return hn::Load(d, lanes);
  }
}

HWY_INLINE void store_part(Vec v, std::int64_t count, float* to) {
  const Tag d;
  if constexpr (kMasksMemory) {
    hn::BlendedStore(v, hn::FirstN(d, static_cast<std::size_t>(count)), d, to);
  } else {
    HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(v, d, lanes);
    for (std::int64_t i = 0; i < count; ++i) to[i] = lanes[i];
  }
}

/// As above, with the usual case of a whole vector in front; `count` may be more than the lanes.
HWY_INLINE Vec load_first(std::int64_t count, const float* from) {
  constexpr std::int64_t lanes = HWY_LANES(float);
  const Tag d;
  return count >= lanes ? hn::LoadU(d, from) : load_part(count, from);
}

HWY_INLINE void store_first(Vec v, std::int64_t count, float* to) {
  constexpr std::int64_t lanes = HWY_LANES(float);
  const Tag d;
  if (count >= lanes) {
    hn::StoreU(v, d, to);
  } else {
    store_part(v, count, to);
  }
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
