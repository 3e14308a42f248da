/// Element-wise maps over contiguous arrays.
#pragma once

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/vector.cuh"

namespace trifold::kernels::cuda {

constexpr int map_threads = 256;

/// A thread owns V elements, and one of the last count % V elements after those. No loop: with all
/// threads of a multiprocessor resident, a vector each keeps enough bytes in flight.
template <int V, class F>
__global__ void __launch_bounds__(map_threads)
    map_kernel(F f, std::int64_t vectors, std::int64_t tail) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * map_threads + threadIdx.x;
  if (i < vectors) {
    f.template run<V>(i * V);
  } else if (i < vectors + tail) {
    f.template run<1>(vectors * V + (i - vectors));
  }
}

/// Calls f.run<V>(i) on the device for elements i to i + V, over all of [0, count); V is 4 where
/// `vectors_fit`.
template <class F>
void map(const Exec& ex, const char* name, std::int64_t count, bool vectors_fit, const F& f) {
  if (count == 0) return;
  const std::int64_t width = vectors_fit ? 4 : 1, vectors = count / width, tail = count % width;
  launch(ex, name, vectors_fit ? map_kernel<4, F> : map_kernel<1, F>,
         blocks_in_row(div_up(vectors + tail, map_threads)), map_threads, f, vectors, tail);
}

/// For map(): y = f(x).
template <class F>
struct Unary {
  F f;
  const float* x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> a = load<V>(x + i);
    for (int v = 0; v < V; ++v) a.v[v] = f(a.v[v]);
    store(y + i, a);
  }
};

/// For map(): y = f(a, b).
template <class F>
struct Binary {
  F f;
  const float *a, *b;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> result = load<V>(a + i);
    const Floats<V> other = load<V>(b + i);
    for (int v = 0; v < V; ++v) result.v[v] = f(result.v[v], other.v[v]);
    store(y + i, result);
  }
};

}  // namespace trifold::kernels::cuda
