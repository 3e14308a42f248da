/// Bound by memory: each element is read once from every input and written once.
#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/map.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

struct Relu {
  __device__ float operator()(float x) const { return relu_of(x); }
};

struct ReluGradient {
  __device__ float operator()(float y, float dy) const { return relu_masked(dy, y); }
};

// Selections, not fminf and fmaxf, so that NaN stays NaN.
struct Relu6 {
  __device__ float operator()(float x) const { return x > 6 ? 6 : relu_of(x); }
};

struct Relu6Gradient {
  __device__ float operator()(float y, float dy) const { return y < 6 ? relu_masked(dy, y) : 0; }
};

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};

struct Times {
  float factor;
  __device__ float operator()(float x) const { return x * factor; }
};

struct TimesElement {
  const float* factor;
  __device__ float operator()(float x) const { return x * *factor; }
};

struct Fill {
  float value;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    store(y + i, splat<V>(value));
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
  map(ex, "relu_forward", count, aligned({x, y}), Unary<Relu>{{}, x, y});
}

void relu_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy, float* dx) {
  map(ex, "relu_backward", count, aligned({y, dy, dx}), Binary<ReluGradient>{{}, y, dy, dx});
}

void relu6_forward(const Exec& ex, std::int64_t count, const float* x, float* y) {
  map(ex, "relu6_forward", count, aligned({x, y}), Unary<Relu6>{{}, x, y});
}

void relu6_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy,
                    float* dx) {
  map(ex, "relu6_backward", count, aligned({y, dy, dx}), Binary<Relu6Gradient>{{}, y, dy, dx});
}

void add(const Exec& ex, std::int64_t count, const float* a, const float* b, float* y) {
  map(ex, "add", count, aligned({a, b, y}), Binary<Sum>{{}, a, b, y});
}

void fill(const Exec& ex, std::int64_t count, float value, float* y) {
  map(ex, "fill", count, aligned({y}), Fill{value, y});
}

void scale(const Exec& ex, std::int64_t count, float scale, const float* x, float* y) {
  map(ex, "scale", count, aligned({x, y}), Unary<Times>{{scale}, x, y});
}

void scale_by(const Exec& ex, std::int64_t count, const float* factor, const float* x, float* y) {
  map(ex, "scale_by", count, aligned({x, y}), Unary<TimesElement>{{factor}, x, y});
}

void mean(const Exec& ex, std::int64_t count, const float* x, float* y) {
  check_mean(count);
  launch(ex, "mean", mean_kernel, dim3(1), dim3(mean_threads), count, x, y);
}

}  // namespace trifold::kernels::cuda
