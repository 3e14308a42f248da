/// Bound by memory: sgd_step reads w, v, dw and writes w, v; ema_update reads w and reads and
/// writes the average; each element once.
#include "kernels/backends.h"
#include "kernels/cuda/map.cuh"

namespace trifold::kernels::cuda {
namespace {

struct SgdStep {
  SgdParams params;
  const float* dw;
  float *v, *w;

  template <int V>
  __device__ void run(std::int64_t i) const {
    const Floats<V> gradient = load<V>(dw + i);
    Floats<V> velocity = load<V>(v + i), weight = load<V>(w + i);
    for (int k = 0; k < V; ++k) {
      const float l1 = weight.v[k] == 0 ? 0 : copysignf(params.l1, weight.v[k]);
      const float g = params.weight_decay * weight.v[k] + gradient.v[k] + l1;
      velocity.v[k] = params.momentum * velocity.v[k] + g;
      const float step = params.nesterov ? params.momentum * velocity.v[k] + g : velocity.v[k];
      weight.v[k] -= params.lr * step;
    }
    store(v + i, velocity);
    store(w + i, weight);
  }
};

struct EmaUpdate {
  float share;  // of the new weights
  const float* w;
  float* average;

  template <int V>
  __device__ void run(std::int64_t i) const {
    const Floats<V> weight = load<V>(w + i);
    Floats<V> mean = load<V>(average + i);
    for (int k = 0; k < V; ++k) mean.v[k] += share * (weight.v[k] - mean.v[k]);
    store(average + i, mean);
  }
};

}  // namespace

void sgd_step(const Exec& ex, std::int64_t count, const SgdParams& params, const float* dw,
              float* v, float* w) {
  map(ex, "sgd_step", count, aligned({dw, v, w}), SgdStep{params, dw, v, w});
}

void ema_update(const Exec& ex, std::int64_t count, float decay, const float* w, float* average) {
  map(ex, "ema_update", count, aligned({w, average}), EmaUpdate{1 - decay, w, average});
}

}  // namespace trifold::kernels::cuda
