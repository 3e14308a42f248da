/// The arithmetic of a normalised activation, one vector at a time.
/// Included once a target by the kernels, so the guard toggles (see Highway's quick reference).

#if defined(TRIFOLD_KERNELS_CPU_NORMALISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRIFOLD_KERNELS_CPU_NORMALISE_INL_H_
#undef TRIFOLD_KERNELS_CPU_NORMALISE_INL_H_
#else
#define TRIFOLD_KERNELS_CPU_NORMALISE_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// (x - mean) scale + shift.
template <class V>
HWY_INLINE V normalise(V x, V mean, V scale, V shift) {
  return hn::MulAdd(hn::Sub(x, mean), scale, shift);
}

/// Not a maximum, so that NaN stays NaN.
template <class V>
HWY_INLINE V relu(V v) {
  return hn::IfThenZeroElse(hn::Lt(v, hn::Zero(hn::DFromV<V>())), v);
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
