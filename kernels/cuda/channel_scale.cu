/// Bound by memory: each element is read once from every input; the factors come from the caches.
#include "kernels/channel_scale.h"

#include <algorithm>

#include "kernels/cuda/image_rows.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

/// A thread is one element of y, V channels wide; a "row" is an image.
struct Scale {
  std::int64_t image_size;
  int channels;
  const float *x, *factor;
  float* y;

  template <int V>
  __device__ void run(std::int64_t image, int pixel, int c) const {
    const std::int64_t at = image * image_size + static_cast<std::int64_t>(pixel) * channels + c;
    Floats<V> a = load<V>(x + at);
    const Floats<V> by = load<V>(factor + image * channels + c);
    for (int v = 0; v < V; ++v) a.v[v] *= by.v[v];
    store(y + at, a);
  }
};

constexpr int gradient_threads = 256;

/// A block sums `across` vectors of channels of one image. Its threads read neighbouring addresses,
/// `lanes` pixels at a time, and add up their pixels in order; then the lanes are added by halves.
/// Shared memory: a float a channel and thread.
template <int V>
__global__ void __launch_bounds__(gradient_threads)
    channel_scale_gradient_kernel(std::int64_t pixels, std::int64_t channels, const float* x,
                                  const float* dy, float* dfactor) {
  SIMT_SHARED(float, shared, [V][gradient_threads]);
  const int across = static_cast<int>(blockDim.x), lanes = static_cast<int>(blockDim.y);
  const int lane = static_cast<int>(threadIdx.y);
  const int thread = lane * across + static_cast<int>(threadIdx.x);
  const std::int64_t image = blockIdx.x;
  const std::int64_t c = (static_cast<std::int64_t>(blockIdx.y) * across + threadIdx.x) * V;
  Floats<V> sum = splat<V>(0);
  if (c < channels) {
    const std::int64_t first = image * pixels * channels + c;
#pragma unroll 4
    for (std::int64_t i = lane; i < pixels; i += lanes) {
      const Floats<V> a = load<V>(x + first + i * channels), g = load<V>(dy + first + i * channels);
      for (int v = 0; v < V; ++v) sum.v[v] += a.v[v] * g.v[v];
    }
  }
  for (int v = 0; v < V; ++v) shared[v][thread] = sum.v[v];
  __syncthreads();
  int half = 1;
  while (half < lanes) half *= 2;
  for (half /= 2; half > 0; half /= 2) {
    if (lane < half && lane + half < lanes) {
      for (int v = 0; v < V; ++v) shared[v][thread] += shared[v][thread + half * across];
    }
    __syncthreads();
  }
  if (lane != 0 || c >= channels) return;
  for (int v = 0; v < V; ++v) dfactor[image * channels + c + v] = shared[v][thread];
}

}  // namespace

void channel_scale(const Exec& ex, const ChannelScaleShape& s, const float* x, const float* factor,
                   float* y) {
  kernels::check(s);
  image_rows(ex, "channel_scale", s.n, s.pixels, s.c, s.c % 4 == 0 && aligned({x, factor, y}),
             Scale{s.pixels * s.c, to_int(s.c), x, factor, y});
}

void channel_scale_gradient(const Exec& ex, const ChannelScaleShape& s, const float* x,
                            const float* dy, float* dfactor) {
  kernels::check(s);
  constexpr std::int64_t widest = 32;
  const bool vectors_fit = s.c % 4 == 0 && aligned({x, dy});
  const std::int64_t vectors = s.c / (vectors_fit ? 4 : 1), tiles = div_up(vectors, widest);
  const std::int64_t across = div_up(vectors, tiles);
  const std::int64_t lanes = std::min<std::int64_t>(gradient_threads / across, s.pixels);
  launch(ex, "channel_scale_gradient",
         vectors_fit ? channel_scale_gradient_kernel<4> : channel_scale_gradient_kernel<1>,
         dim3(static_cast<unsigned>(to_int(s.n)), static_cast<unsigned>(tiles)),
         dim3(static_cast<unsigned>(across), static_cast<unsigned>(lanes)), s.pixels, s.c, x, dy,
         dfactor);
}

}  // namespace trifold::kernels::cuda
