/// The arithmetic of batch norms and of ReLU, one vector at a time: every kernel takes it from
/// here, so that all agree on each bit.
/// Included once a target by the kernels, so the guard toggles (see Highway's quick reference).

#if defined(TRIFOLD_KERNELS_CPU_POINTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRIFOLD_KERNELS_CPU_POINTWISE_INL_H_
#undef TRIFOLD_KERNELS_CPU_POINTWISE_INL_H_
#else
#define TRIFOLD_KERNELS_CPU_POINTWISE_INL_H_
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

/// The gradient of what a ReLU takes, from that of its result y: dy where y > 0, else 0.
template <class V>
HWY_INLINE V relu_masked(V dy, V y) {
  return hn::IfThenElseZero(hn::Gt(y, hn::Zero(hn::DFromV<V>())), dy);
}

/// The coefficients of a deferred batch-norm gradient (kernels/norm_conv2d.h), for a vector of
/// channels.
template <class V>
struct DeferredCoefficients {
  V mean, scale, coefficient, constant;

  /// dy = (g + coefficient (y - mean) + constant) scale.
  HWY_INLINE V gradient(V g, V y) const {
    return hn::Mul(hn::MulAdd(hn::Sub(y, mean), coefficient, hn::Add(g, constant)), scale);
  }
};

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
