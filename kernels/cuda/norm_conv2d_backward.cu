#include "kernels/backends.h"
#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/conv2d_launch.cuh"
#include "kernels/cuda/conv2d_narrow_backward.h"
#include "kernels/cuda/scratch.cuh"

namespace trifold::kernels::cuda {
namespace {

/// dy as an array of `channels`, from what a norm behind it gives.
struct FormOutputGradient {
  OutputGradient from;
  float* dy;
  std::int64_t channels;

  template <int V>
  struct Parameters {
    Floats<V> mean, scale, slope, offset;
  };

  template <int V>
  __device__ Parameters<V> parameters(std::int64_t c) const {
    return {load<V>(from.mean + c), load<V>(from.scale + c), load<V>(from.slope + c),
            load<V>(from.offset + c)};
  }

  template <int V>
  __device__ void run(const Parameters<V>& p, std::int64_t row, std::int64_t c) const {
    const std::int64_t i = row * channels + c;
    Floats<V> g = load<V>(from.g + i);
    const Floats<V> y = load<V>(from.y + i);
    for (int v = 0; v < V; ++v) {
      const float centred = g.v[v] + p.offset.v[v];
      g.v[v] = fmaf(y.v[v] - p.mean.v[v], p.slope.v[v], centred) * p.scale.v[v];
    }
    store(dy + i, g);
  }
};

/// Clears g where act is relu and a <= 0, and sums up g and g (x - mean).
struct GateTerms {
  static constexpr int sums = 2, batch = 4;
  const float *x, *a;  ///< a null: that of the norm
  ChannelAffine norm;
  bool relu;
  float* g;
  std::int64_t channels, pitch;

  template <int V>
  __device__ Affine<V> parameters(std::int64_t c) const {
    return norm.template at<V>(c);
  }

  template <int V>
  __device__ void add(const Affine<V>& p, std::int64_t row, int step, int count, std::int64_t c,
                      double (&sum)[sums * V]) const {
    for (int r = 0; r < count; ++r) {
      const std::int64_t at = row + std::int64_t{r} * step, i = at * channels + c;
      const Floats<V> value = load<V>(x + at * pitch + c);
      Floats<V> gradient = load<V>(g + i);
      if (relu) {
        const Floats<V> activation = a != nullptr ? load<V>(a + i) : p(value);
        for (int v = 0; v < V; ++v) {
          if (!(activation.v[v] > 0)) gradient.v[v] = 0;
        }
        store(g + i, gradient);
      }
      for (int v = 0; v < V; ++v) {
        const float product = gradient.v[v] * (value.v[v] - p.mean.v[v]);
        sum[v] += static_cast<double>(gradient.v[v]);
        sum[V + v] += static_cast<double>(product);
      }
    }
  }
};

void data_gradient(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                   const float* added, float* g) {
  if (added == g && g != nullptr) {
    cuda::conv2d_backward_data(ex, s, dy, w, Write::accumulate, g);
    return;
  }
  cuda::conv2d_backward_data(ex, s, dy, w, Write::overwrite, g);
  if (added != nullptr) cuda::add(ex, s.x_size(), g, added, g);
}

}  // namespace

void norm_conv2d_backward(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                          const ConvInput& input, const float* w, const float* added, float* g,
                          float* sums, float* dw) {
  check(s);
  const bool tensor_cores = ex.precision != Precision::fp32 && has_tensor_cores(ex.device);
  if (const auto plan = choose_conv2d_narrow(s, tensor_cores)) {
    narrow_backward(ex, s, *plan, dy, input, w, added, g, sums, dw);
    return;
  }
  const InputNorm* const norm = input.norm;
  const std::int64_t pitch = norm != nullptr ? kernels::pitch_of(*norm, s) : s.c;
  const Scratch<float> formed(ex, dy.y != nullptr ? s.y_size() : 0);
  const float* gradient = dy.g;
  if (dy.y != nullptr) {
    const bool vectors =
        s.k % 4 == 0 && aligned({dy.g, dy.y, dy.mean, dy.scale, dy.slope, dy.offset});
    column_map(ex, "norm_conv2d_output_gradient", s.y_size() / s.k, s.k, vectors,
               FormOutputGradient{dy, formed.data(), s.k});
    gradient = formed.data();
  }
  if (norm != nullptr && input.a == nullptr) {
    cuda::norm_conv2d_backward_weight(ex, s, input.x, *norm, gradient, dw);
  } else {
    const float* const a = norm != nullptr ? input.a : input.x;
    cuda::conv2d_backward_weight(ex, s, a, gradient, dw, nullptr);
  }
  if (g == nullptr) return;
  if (norm != nullptr && input.a == nullptr && added == nullptr) {
    cuda::norm_conv2d_backward_data(ex, s, gradient, w, input.x, *norm, g, sums);
    return;
  }
  data_gradient(ex, s, gradient, w, added, g);
  if (norm == nullptr) return;
  const bool vectors = s.c % 4 == 0 && pitch % 4 == 0 &&
                       aligned({input.x, input.a, g, norm->mean, norm->scale, norm->shift});
  channel_sums(ex, "norm_conv2d_gate", "norm_conv2d_gate_sums", s.n * s.h * s.w, s.c, vectors,
               GateTerms{input.x,
                         input.a,
                         {norm->mean, norm->scale, norm->shift},
                         norm->act == Activation::relu,
                         g,
                         s.c,
                         pitch},
               StoreSums<2>{sums, s.c});
}

}  // namespace trifold::kernels::cuda
