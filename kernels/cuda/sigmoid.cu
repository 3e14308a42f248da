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
struct Value {
  __device__ float operator()(float x) const { return Curve().value(x); }
};

template <class Curve>
struct Gradient {
  __device__ float operator()(float x, float dy) const { return dy * Curve().slope(x); }
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
    map(ex, "sigmoid_forward", count, aligned({x, y}), Unary<Value<decltype(curve)>>{{}, x, y});
  });
}

void sigmoid_backward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                      const float* dy, float* dx) {
  with_curve(kind, [&](auto curve) {
    map(ex, "sigmoid_backward", count, aligned({x, dy, dx}),
        Binary<Gradient<decltype(curve)>>{{}, x, dy, dx});
  });
}

}  // namespace trifold::kernels::cuda
