/// A convolution and what follows it at inference, in two passes: the second reads the result (and
/// the residual) once and writes it once.
#include "kernels/backends.h"
#include "kernels/cuda/map.cuh"
#include "kernels/cuda/scratch.cuh"

namespace trifold::kernels::cuda {
namespace {

/// y = act(x [+ residual]).
struct Finish {
  const float *x, *residual;
  bool relu;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> a = load<V>(x + i);
    if (residual != nullptr) {
      const Floats<V> other = load<V>(residual + i);
      for (int v = 0; v < V; ++v) a.v[v] += other.v[v];
    }
    // Not a maximum, so that NaN stays NaN.
    for (int v = 0; relu && v < V; ++v) a.v[v] = a.v[v] < 0 ? 0 : a.v[v];
    store(y + i, a);
  }
};

}  // namespace

void conv2d_fused_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                          const float* b, const float* residual, Activation act, float* y) {
  check(s);
  // In place of the residual, the convolution needs a place of its own.
  const Scratch<float> aside(ex, residual == y ? s.y_size() : 0);
  float* const to = residual == y ? aside.data() : y;
  cuda::conv2d_forward(ex, s, x, w, b, to);
  const bool relu = act == Activation::relu;
  if (residual == nullptr && !relu) return;
  map(ex, "conv2d_fused_forward", s.y_size(), aligned({to, residual, y}),
      Finish{to, residual, relu, y});
}

}  // namespace trifold::kernels::cuda
