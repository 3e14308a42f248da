/// Bound by memory. Forward and data gradient read what windows share from the caches, once from
/// memory, and write their result once. The weight gradient goes over x and dy once for each nine
/// taps of the window, which are all of the usual one.
#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/image_rows.cuh"
#include "kernels/cuda/window_axis.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

struct Depthwise {
  Axis down, across;
  int c;

  explicit Depthwise(const DepthwiseConv2dShape& s)
      : down{to_int(s.h), to_int(s.p()), to_int(s.r), to_int(s.stride_h), to_int(s.pad_h)},
        across{to_int(s.w), to_int(s.q()), to_int(s.s), to_int(s.stride_w), to_int(s.pad_w)},
        c(to_int(s.c)) {
    to_int(s.r * s.s);
    to_int(s.p() * s.q());
    to_int(s.h + s.pad_h);
    to_int(s.w + s.pad_w);
  }

  /// Offset of channel c of pixel (i, j) of an image of x, dx.
  __device__ std::int64_t input(std::int64_t image, int i, int j, int channel) const {
    return ((image * down.size + i) * across.size + j) * c + channel;
  }
  __device__ std::int64_t output(std::int64_t image, int i, int j, int channel) const {
    return ((image * down.outputs + i) * across.outputs + j) * c + channel;
  }
  /// Offset of the weight with which output (a, b) takes pixel (i, j).
  __device__ std::int64_t weight(int i, int j, int a, int b, int channel) const {
    const int r = i + down.pad - a * down.stride, s = j + across.pad - b * across.stride;
    return (std::int64_t{r} * across.window + s) * c + channel;
  }
};

/// sum += x w, each channel by itself.
template <int V>
__device__ __forceinline__ void add_products(Floats<V>& sum, const Floats<V>& x,
                                             const Floats<V>& w) {
  for (int v = 0; v < V; ++v) sum.v[v] = fmaf(x.v[v], w.v[v], sum.v[v]);
}

struct DepthwiseForward {
  Depthwise conv;
  const float *x, *w, *b;
  bool relu;
  float* y;

  template <int V>
  __device__ void run(std::int64_t row, int j, int c) const {
    const std::int64_t image = row / conv.down.outputs;
    const int i = static_cast<int>(row % conv.down.outputs);
    const Axis::Span rows = conv.down.pixels_of(i), columns = conv.across.pixels_of(j);
    Floats<V> sum = b == nullptr ? splat<V>(0) : load<V>(b + c);
    for (int k = rows.begin; k < rows.end; ++k) {
      for (int l = columns.begin; l < columns.end; ++l) {
        add_products(sum, load<V>(x + conv.input(image, k, l, c)),
                     load<V>(w + conv.weight(k, l, i, j, c)));
      }
    }
    if (relu) {
      for (int v = 0; v < V; ++v) sum.v[v] = relu_of(sum.v[v]);
    }
    store(y + conv.output(image, i, j, c), sum);
  }
};

/// Each pixel gathers from the windows that cover it.
struct DepthwiseBackwardData {
  Depthwise conv;
  const float *dy, *w;
  bool adds;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t row, int j, int c) const {
    const std::int64_t image = row / conv.down.size;
    const int i = static_cast<int>(row % conv.down.size);
    const Axis::Span rows = conv.down.windows_of(i), columns = conv.across.windows_of(j);
    float* const to = dx + conv.input(image, i, j, c);
    Floats<V> sum = adds ? load<V>(to) : splat<V>(0);
    for (int a = rows.begin; a < rows.end; ++a) {
      for (int b = columns.begin; b < columns.end; ++b) {
        add_products(sum, load<V>(dy + conv.output(image, a, b, c)),
                     load<V>(w + conv.weight(i, j, a, b, c)));
      }
    }
    store(to, sum);
  }
};

/// Sums over the pixels of the output, for taps first_tap to first_tap + sums of the window: those
/// of a few pixels in float, and these in double.
struct DepthwiseWeightTerms {
  static constexpr int sums = 9, batch = 8;
  Depthwise conv;
  const float *x, *dy;
  int first_tap;

  struct None {};
  template <int V>
  __device__ None parameters(std::int64_t) const {
    return {};
  }

  template <int V>
  __device__ void add(None, std::int64_t row, int step, int count, std::int64_t channel,
                      double (&sum)[sums * V]) const {
    static_assert(V == 1, "more sums than there are registers");
    const int c = static_cast<int>(channel), taps = conv.down.window * conv.across.window;
    float terms[sums] = {};
    for (int n = 0; n < count; ++n, row += step) {
      // Rows are below 2^31: divisions of more bits are calls.
      const int image_row = static_cast<int>(row) / conv.across.outputs;
      const int image = image_row / conv.down.outputs;
      const int i = image_row % conv.down.outputs * conv.down.stride - conv.down.pad,
                j = static_cast<int>(row) % conv.across.outputs * conv.across.stride -
                    conv.across.pad;
      const float gradient = dy[row * conv.c + c];
      int r = first_tap / conv.across.window, s = first_tap % conv.across.window;
#pragma unroll
      for (int t = 0; t < sums; ++t) {
        const bool inside = first_tap + t < taps && i + r >= 0 && i + r < conv.down.size &&
                            j + s >= 0 && j + s < conv.across.size;
        if (inside) terms[t] = fmaf(gradient, x[conv.input(image, i + r, j + s, c)], terms[t]);
        if (++s == conv.across.window) s = 0, ++r;
      }
    }
#pragma unroll
    for (int t = 0; t < sums; ++t) sum[t] += static_cast<double>(terms[t]);
  }
};

/// dw of the taps that the sums are of, `count` of them.
struct StoreTaps {
  float* dw;
  std::int64_t channels;
  int count;

  __device__ void operator()(std::int64_t c,
                             const double (&sum)[DepthwiseWeightTerms::sums]) const {
#pragma unroll
    for (int t = 0; t < DepthwiseWeightTerms::sums; ++t) {
      if (t < count) dw[t * channels + c] = static_cast<float>(sum[t]);
    }
  }
};

}  // namespace

void depthwise_conv2d_forward(const Exec& ex, const DepthwiseConv2dShape& s, const float* x,
                              const float* w, const float* b, Activation act, float* y) {
  check(s);
  image_rows(ex, "depthwise_conv2d_forward", s.n * s.p(), s.q(), s.c,
             s.c % 4 == 0 && aligned({x, w, b, y}),
             DepthwiseForward{Depthwise(s), x, w, b, act == Activation::relu, y});
}

void depthwise_conv2d_backward_data(const Exec& ex, const DepthwiseConv2dShape& s, const float* dy,
                                    const float* w, Write write, float* dx) {
  check(s);
  image_rows(ex, "depthwise_conv2d_backward_data", s.n * s.h, s.w, s.c,
             s.c % 4 == 0 && aligned({dy, w, dx}),
             DepthwiseBackwardData{Depthwise(s), dy, w, write == Write::accumulate, dx});
}

void depthwise_conv2d_backward_weight(const Exec& ex, const DepthwiseConv2dShape& s, const float* x,
                                      const float* dy, float* dw, float* db) {
  check(s);
  constexpr int sums = DepthwiseWeightTerms::sums;
  const Depthwise conv(s);
  const std::int64_t rows = to_int(s.n * s.p() * s.q());
  const Columns c = columns(rows, s.c, 1, most_sum_blocks);
  const Scratch<double> parts(ex, c.chunks * sums * s.c);
  const int taps = conv.down.window * conv.across.window;
  for (int first = 0; first < taps; first += sums) {
    launch(ex, "depthwise_conv2d_backward_weight", channel_sums_kernel<1, DepthwiseWeightTerms>,
           c.blocks(), c.threads(), DepthwiseWeightTerms{conv, x, dy, first}, c, parts.data());
    finish_sums(ex, "depthwise_conv2d_backward_weight, sums", c.chunks, s.c,
                PartTerms<double, sums>{parts.data(), s.c},
                StoreTaps{dw + first * s.c, s.c, min(sums, taps - first)});
  }
  if (db != nullptr) column_sums(ex, rows, s.c, dy, db);
}

}  // namespace trifold::kernels::cuda
