/// How blocks sum over the pixels of images (n, pixels, channels), each channel by itself.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/vector.cuh"

namespace trifold::kernels::cuda {

constexpr int image_sum_threads = 256;

/// A block sums `across` vectors of channels of one image. Its threads read neighbouring addresses,
/// `lanes` pixels at a time, and add up their pixels in order; then the lanes are added by halves.
/// Shared memory: a float a channel and thread.
template <int V, class F>
__global__ void __launch_bounds__(image_sum_threads)
    image_sums_kernel(F f, std::int64_t pixels, std::int64_t channels) {
  SIMT_SHARED(float, shared, [V][image_sum_threads]);
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
      f.template add<V>(sum, first + i * channels);
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
  for (int v = 0; v < V; ++v) f.write(image * channels + c + v, shared[v][thread]);
}

/// Calls f.add<V>(sum, at) on the device for each vector of channels, `at` being where it lies, and
/// f.write(at, sum) for each channel of an image; V is 4 where `vectors_fit`.
template <class F>
void image_sums(const Exec& ex, const char* name, std::int64_t n, std::int64_t pixels,
                std::int64_t channels, bool vectors_fit, const F& f) {
  constexpr std::int64_t widest = 32;
  const std::int64_t vectors = channels / (vectors_fit ? 4 : 1), tiles = div_up(vectors, widest);
  const std::int64_t across = div_up(vectors, tiles);
  const std::int64_t lanes = std::min<std::int64_t>(image_sum_threads / across, pixels);
  launch(ex, name, vectors_fit ? image_sums_kernel<4, F> : image_sums_kernel<1, F>,
         dim3(static_cast<unsigned>(to_int(n)), static_cast<unsigned>(tiles)),
         dim3(static_cast<unsigned>(across), static_cast<unsigned>(lanes)), f, pixels, channels);
}

}  // namespace trifold::kernels::cuda
