/// Bound by memory: each element is read once from every input; the factors come from the caches.
#include "kernels/channel_scale.h"

#include "kernels/cuda/image_rows.cuh"
#include "kernels/cuda/image_sums.cuh"
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

struct ScaleGradient {
  const float *x, *dy;
  float* dfactor;

  template <int V>
  __device__ void add(Floats<V>& sum, std::int64_t at) const {
    const Floats<V> a = load<V>(x + at), g = load<V>(dy + at);
    for (int v = 0; v < V; ++v) sum.v[v] += a.v[v] * g.v[v];
  }
  __device__ void write(std::int64_t at, float sum) const { dfactor[at] = sum; }
};

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
  image_sums(ex, "channel_scale_gradient", s.n, s.pixels, s.c, s.c % 4 == 0 && aligned({x, dy}),
             ScaleGradient{x, dy, dfactor});
}

}  // namespace trifold::kernels::cuda
