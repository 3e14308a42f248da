#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/sigmoid.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/cpu/lanes-inl.h"
#include "kernels/cpu/pointwise-inl.h"
#include "kernels/runtime/backends.h"
#include "kernels/sigmoid.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

/// s(x) and its derivative, by e = exp(-|x|), which neither overflows nor loses the digits of a
/// small s. Highway's exponential is within one unit in the last place down to its flush to 0 at
/// -104. It takes NaN for 0, so that a NaN comes back in by hand.
template <class V>
struct Logistic {
  V value, slope;

  HWY_INLINE explicit Logistic(V x) {
    const hn::DFromV<V> d;
    const V one = hn::Set(d, 1.0f), e = hn::Exp(d, hn::Neg(hn::Abs(x)));
    const V larger = hn::Div(one, hn::Add(one, e)), smaller = hn::Mul(e, larger);
    const V s = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), smaller, larger);
    value = hn::IfThenElse(hn::IsNaN(x), x, s);
    slope = hn::IfThenElse(hn::IsNaN(x), x, hn::Mul(smaller, larger));
  }
};

/// h(x), by selections, so that NaN stays NaN.
template <class V>
HWY_INLINE V ramp(V x) {
  const hn::DFromV<V> d;
  const V six = hn::Set(d, 6.0f), low = relu(hn::Add(x, hn::Set(d, 3.0f)));
  return hn::Div(hn::IfThenElse(hn::Gt(low, six), six, low), six);
}

struct SigmoidCurve {
  template <class V>
  HWY_INLINE V value(V x) const {
    return Logistic<V>(x).value;
  }
  template <class V>
  HWY_INLINE V slope(V x) const {
    return Logistic<V>(x).slope;
  }
};

struct SiluCurve {
  template <class V>
  HWY_INLINE V value(V x) const {
    return hn::Mul(x, Logistic<V>(x).value);
  }
  template <class V>
  HWY_INLINE V slope(V x) const {
    const Logistic<V> s(x);
    return hn::MulAdd(x, s.slope, s.value);
  }
};

struct HardSigmoidCurve {
  template <class V>
  HWY_INLINE V value(V x) const {
    return ramp(x);
  }
  template <class V>
  HWY_INLINE V slope(V x) const {
    const hn::DFromV<V> d;
    const V inside =
        hn::IfThenElseZero(hn::Lt(hn::Abs(x), hn::Set(d, 3.0f)), hn::Set(d, 1.0f / 6.0f));
    return hn::IfThenElse(hn::IsNaN(x), x, inside);
  }
};

struct HardSwishCurve {
  template <class V>
  HWY_INLINE V value(V x) const {
    return hn::Mul(x, ramp(x));
  }
  template <class V>
  HWY_INLINE V slope(V x) const {
    const hn::DFromV<V> d;
    const V three = hn::Set(d, 3.0f);
    const V inside = hn::Div(hn::MulAdd(hn::Set(d, 2.0f), x, three), hn::Set(d, 6.0f));
    const V right = hn::IfThenElse(hn::Ge(x, three), hn::Set(d, 1.0f), inside);
    return hn::IfThenZeroElse(hn::Le(x, hn::Neg(three)), right);
  }
};

/// Calls f(curve) with the curve of `kind`.
template <class F>
HWY_INLINE void with_curve(SigmoidKind kind, const F& f) {
  switch (kind) {
    case SigmoidKind::sigmoid:
      return f(SigmoidCurve());
    case SigmoidKind::silu:
      return f(SiluCurve());
    case SigmoidKind::hard_sigmoid:
      return f(HardSigmoidCurve());
    case SigmoidKind::hard_swish:
      return f(HardSwishCurve());
  }
}

void sigmoid_forward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                     float* y) {
  with_curve(kind, [&](auto curve) HWY_ATTR {
    map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
      hn::StoreU(curve.value(hn::LoadU(d, x + i)), d, y + i);
    });
  });
}

void sigmoid_backward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                      const float* dy, float* dx) {
  with_curve(kind, [&](auto curve) HWY_ATTR {
    map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
      hn::StoreU(hn::Mul(curve.slope(hn::LoadU(d, x + i)), hn::LoadU(d, dy + i)), d, dx + i);
    });
  });
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(sigmoid_forward);
HWY_EXPORT(sigmoid_backward);

void sigmoid_forward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                     float* y) {
  TRIFOLD_DISPATCH(sigmoid_forward)(ex, kind, count, x, y);
}

void sigmoid_backward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                      const float* dy, float* dx) {
  TRIFOLD_DISPATCH(sigmoid_backward)(ex, kind, count, x, dy, dx);
}

}  // namespace trifold::kernels::cpu
#endif
