/// Bound by memory: each element is read once from every input and written once.
#include "kernels/sigmoid.h"

#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/map.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

/// s(x) and its derivative, by e = exp(-|x|), which neither overflows nor loses the digits of a
/// small s.
struct Logistic {
  float value, slope;

  __device__ explicit Logistic(float x) {
    const float e = expf(-fabsf(x)), larger = 1 / (1 + e), smaller = e * larger;
    value = x < 0 ? smaller : larger;
    slope = smaller * larger;
  }
};

/// h(x), by selections, so that NaN stays NaN.
__device__ float ramp(float x) {
  const float low = relu_of(x + 3);
  return (low > 6 ? 6 : low) / 6;
}

struct SigmoidCurve {
  __device__ float value(float x) const { return Logistic(x).value; }
  __device__ float slope(float x) const { return Logistic(x).slope; }
};

struct SiluCurve {
  __device__ float value(float x) const { return x * Logistic(x).value; }
  __device__ float slope(float x) const {
    const Logistic s(x);
    return x * s.slope + s.value;
  }
};

struct HardSigmoidCurve {
  __device__ float value(float x) const { return ramp(x); }
  __device__ float slope(float x) const { return fabsf(x) < 3 ? 1.0f / 6 : fabsf(x) >= 3 ? 0 : x; }
};

struct HardSwishCurve {
  __device__ float value(float x) const { return x * ramp(x); }
  __device__ float slope(float x) const { return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6; }
};

template <class Curve>
struct Forward {
  Curve curve;
  const float* x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> a = load<V>(x + i);
    for (int v = 0; v < V; ++v) a.v[v] = curve.value(a.v[v]);
    store(y + i, a);
  }
};

template <class Curve>
struct Backward {
  Curve curve;
  const float *x, *dy;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t i) const {
    const Floats<V> a = load<V>(x + i);
    Floats<V> g = load<V>(dy + i);
    for (int v = 0; v < V; ++v) g.v[v] *= curve.slope(a.v[v]);
    store(dx + i, g);
  }
};

/// Calls f(curve) with the curve of `kind`.
template <class F>
void with_curve(SigmoidKind kind, const F& f) {
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

}  // namespace

void sigmoid_forward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                     float* y) {
  with_curve(kind, [&](auto curve) {
    map(ex, "sigmoid_forward", count, aligned({x, y}), Forward<decltype(curve)>{curve, x, y});
  });
}

void sigmoid_backward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                      const float* dy, float* dx) {
  with_curve(kind, [&](auto curve) {
    map(ex, "sigmoid_backward", count, aligned({x, dy, dx}),
        Backward<decltype(curve)>{curve, x, dy, dx});
  });
}

}  // namespace trifold::kernels::cuda
