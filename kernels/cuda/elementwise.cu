/// Bound by memory: each element is read once from every input and written once.
#include "kernels/backends.h"
#include "kernels/cuda/map.cuh"

namespace trifold::kernels::cuda {
namespace {

struct ReluForward {
  const float* x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> a = load<V>(x + i);
    // Not a maximum, so that NaN stays NaN.
    for (int v = 0; v < V; ++v) a.v[v] = a.v[v] < 0 ? 0 : a.v[v];
    store(y + i, a);
  }
};

struct ReluBackward {
  const float *y, *dy;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t i) const {
    const Floats<V> gate = load<V>(y + i);
    Floats<V> g = load<V>(dy + i);
    for (int v = 0; v < V; ++v) g.v[v] = gate.v[v] > 0 ? g.v[v] : 0;
    store(dx + i, g);
  }
};

struct Add {
  const float *a, *b;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> sum = load<V>(a + i);
    const Floats<V> other = load<V>(b + i);
    for (int v = 0; v < V; ++v) sum.v[v] += other.v[v];
    store(y + i, sum);
  }
};

struct Fill {
  float value;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    store(y + i, splat<V>(value));
  }
};

struct Scale {
  float factor;
  const float* x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> a = load<V>(x + i);
    for (int v = 0; v < V; ++v) a.v[v] *= factor;
    store(y + i, a);
  }
};

struct ScaleBy {
  const float *factor, *x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> a = load<V>(x + i);
    for (int v = 0; v < V; ++v) a.v[v] *= *factor;
    store(y + i, a);
  }
};

constexpr int mean_threads = 256;

/// One block: a thread adds every 256th number, and then the threads are added by halves. Made for
/// the few losses of a batch. Shared memory: a double a thread.
__global__ void __launch_bounds__(mean_threads)
    mean_kernel(std::int64_t count, const float* x, float* y) {
  SIMT_SHARED(double, shared, [mean_threads]);
  const int thread = static_cast<int>(threadIdx.x);
  double sum = 0;
  for (std::int64_t i = thread; i < count; i += mean_threads) sum += static_cast<double>(x[i]);
  shared[thread] = sum;
  __syncthreads();
  for (int half = mean_threads / 2; half > 0; half /= 2) {
    if (thread < half) shared[thread] += shared[thread + half];
    __syncthreads();
  }
  if (thread == 0) *y = static_cast<float>(shared[0] / static_cast<double>(count));
}

}  // namespace

void relu_forward(const Exec& ex, std::int64_t count, const float* x, float* y) {
  map(ex, "relu_forward", count, aligned({x, y}), ReluForward{x, y});
}

void relu_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy, float* dx) {
  map(ex, "relu_backward", count, aligned({y, dy, dx}), ReluBackward{y, dy, dx});
}

void add(const Exec& ex, std::int64_t count, const float* a, const float* b, float* y) {
  map(ex, "add", count, aligned({a, b, y}), Add{a, b, y});
}

void fill(const Exec& ex, std::int64_t count, float value, float* y) {
  map(ex, "fill", count, aligned({y}), Fill{value, y});
}

void scale(const Exec& ex, std::int64_t count, float scale, const float* x, float* y) {
  map(ex, "scale", count, aligned({x, y}), Scale{scale, x, y});
}

void scale_by(const Exec& ex, std::int64_t count, const float* factor, const float* x, float* y) {
  map(ex, "scale_by", count, aligned({x, y}), ScaleBy{factor, x, y});
}

void mean(const Exec& ex, std::int64_t count, const float* x, float* y) {
  check_mean(count);
  launch(ex, "mean", mean_kernel, dim3(1), dim3(mean_threads), count, x, y);
}

}  // namespace trifold::kernels::cuda
