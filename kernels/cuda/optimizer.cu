/// Bound by memory: sgd_step reads w, v, dw and writes w, v; ema_update reads w and reads and
/// writes the average; update_parameters does both and reads w once. Each element moves once a
/// kernel.
#include <algorithm>

#include "kernels/cuda/map.cuh"
#include "kernels/cuda/optimizer_plan.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

// Products are fused by name, so that all kernels and both widths find the same bits.

template <int V>
__device__ void descend(const SgdParams& params, float lr, const Floats<V>& gradient,
                        Floats<V>& velocity, Floats<V>& weight) {
  for (int k = 0; k < V; ++k) {
    const float l1 = weight.v[k] == 0 ? 0 : copysignf(params.l1, weight.v[k]);
    const float g = fmaf(params.weight_decay, weight.v[k], gradient.v[k]) + l1;
    velocity.v[k] = fmaf(params.momentum, velocity.v[k], g);
    const float step = params.nesterov ? fmaf(params.momentum, velocity.v[k], g) : velocity.v[k];
    weight.v[k] = fmaf(-lr, step, weight.v[k]);
  }
}

template <int V>
__device__ void follow(float share, const Floats<V>& weight, Floats<V>& average) {
  for (int k = 0; k < V; ++k) {
    average.v[k] = fmaf(share, weight.v[k] - average.v[k], average.v[k]);
  }
}

struct SgdStep {
  SgdParams params;
  const float* dw;
  float *v, *w;

  template <int V>
  __device__ void run(std::int64_t i) const {
    const Floats<V> gradient = load<V>(dw + i);
    Floats<V> velocity = load<V>(v + i), weight = load<V>(w + i);
    descend(params, params.lr, gradient, velocity, weight);
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
    Floats<V> mean = load<V>(average + i);
    follow(share, load<V>(w + i), mean);
    store(average + i, mean);
  }
};

constexpr int update_threads = 256, update_width = 4;
constexpr std::int64_t block_elements = update_threads * update_width;

/// What one launch updates; update i has the blocks from first_block[i] to first_block[i + 1].
struct Updates {
  static constexpr int most = most_updates;
  const float *lr = nullptr, *decay = nullptr;
  int count = 0;
  unsigned first_block[most + 1] = {};
  ParameterUpdate of[most] = {};
};
static_assert(sizeof(Updates) <= 4096);

template <int V>
__device__ void update(const ParameterUpdate& u, float lr, const float* decay, std::int64_t i) {
  const Floats<V> gradient = load<V>(u.dw + i);
  Floats<V> velocity = load<V>(u.v + i), weight = load<V>(u.w + i);
  descend(u.sgd, lr, gradient, velocity, weight);
  store(u.v + i, velocity);
  store(u.w + i, weight);
  if (u.average == nullptr) return;
  Floats<V> mean = load<V>(u.average + i);
  follow(1 - *decay, weight, mean);
  store(u.average + i, mean);
}

__device__ bool is_vector(const ParameterUpdate& u, std::int64_t i) {
  const auto bits = reinterpret_cast<std::uintptr_t>(u.dw) | reinterpret_cast<std::uintptr_t>(u.v) |
                    reinterpret_cast<std::uintptr_t>(u.w) |
                    reinterpret_cast<std::uintptr_t>(u.average);
  return bits % 16 == 0 && i + update_width <= u.count;
}

/// A block owns 1024 elements of one parameter, which it finds by bisection; a thread 4 of them.
__global__ void __launch_bounds__(update_threads)
    update_parameters_kernel(const __grid_constant__ Updates updates) {
  int low = 0, high = updates.count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (updates.first_block[middle] <= blockIdx.x) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const ParameterUpdate& u = updates.of[low];
  const std::int64_t block = blockIdx.x - updates.first_block[low];
  const std::int64_t i = block * block_elements + threadIdx.x * update_width;
  const float lr = *updates.lr;
  if (is_vector(u, i)) return update<4>(u, lr, updates.decay, i);
  for (std::int64_t j = i; j < min(i + update_width, u.count); ++j) {
    update<1>(u, lr, updates.decay, j);
  }
}

}  // namespace

void sgd_step(const Exec& ex, std::int64_t count, const SgdParams& params, const float* dw,
              float* v, float* w) {
  map(ex, "sgd_step", count, aligned({dw, v, w}), SgdStep{params, dw, v, w});
}

void ema_update(const Exec& ex, std::int64_t count, float decay, const float* w, float* average) {
  map(ex, "ema_update", count, aligned({w, average}), EmaUpdate{1 - decay, w, average});
}

void update_parameters(const Exec& ex, std::span<const ParameterUpdate> updates, const float* lr,
                       const float* decay) {
  while (!updates.empty()) {
    Updates some;
    some.lr = lr;
    some.decay = decay;
    std::int64_t blocks = 0;
    for (const ParameterUpdate& u :
         updates.first(std::min<std::size_t>(updates.size(), some.most))) {
      some.of[some.count] = u;
      some.first_block[some.count++] = static_cast<unsigned>(blocks);
      blocks += div_up(u.count, block_elements);
    }
    some.first_block[some.count] = static_cast<unsigned>(blocks);
    updates = updates.subspan(static_cast<std::size_t>(some.count));
    if (blocks == 0) continue;
    launch(ex, "update_parameters", update_parameters_kernel, blocks_in_row(blocks),
           dim3(update_threads), some);
  }
}

}  // namespace trifold::kernels::cuda
