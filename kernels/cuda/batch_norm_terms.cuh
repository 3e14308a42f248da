/// What the passes of batch_norm compute for one thread: V channels of some rows.
#pragma once

#include "kernels/batch_norm.h"
#include "kernels/cuda/columns.cuh"

namespace trifold::kernels::cuda {

/// Sums of x - x0 and of (x - x0)^2, x0 the channel's first sample. Within a batch of rows, floats
/// are taken relative to the batch's own mean and only the rest is summed in double, so that
/// neither a large mean nor a first sample far from it costs digits: |x0 - mean| is at most
/// sqrt(rows) std.
struct MomentTerms {
  static constexpr int sums = 2, batch = 8;
  const float* x;
  std::int64_t channels;

  template <int V>
  __device__ Floats<V> parameters(std::int64_t c) const {
    return load<V>(x + c);
  }

  template <int V>
  __device__ void add(const Floats<V>& first, std::int64_t row, int step, int count, std::int64_t c,
                      double (&sum)[sums * V]) const {
    Floats<V> a[batch];
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      a[r] = r < count ? load<V>(x + (row + std::int64_t{r} * step) * channels + c) : splat<V>(0);
    }
    const float share = 1.0f / static_cast<float>(count);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      float total = 0;
#pragma unroll
      for (int r = 0; r < batch; ++r) total += a[r].v[v];
      const float centre = total * share;
      float off = 0, squares = 0;
#pragma unroll
      for (int r = 0; r < batch; ++r) {
        const float d = r < count ? a[r].v[v] - centre : 0;
        off += d;
        squares += d * d;
      }
      const double shift = static_cast<double>(centre) - static_cast<double>(first.v[v]);
      sum[v] += count * shift + static_cast<double>(off);
      sum[V + v] +=
          static_cast<double>(squares) + shift * (2 * static_cast<double>(off) + count * shift);
    }
  }
};

/// From the sums to the statistics and to the two factors of the normalisation.
struct MomentFinish {
  const float *x, *gamma, *beta;
  double rows, eps, momentum;
  float *mean, *inv_std, *running_mean, *running_var;
  float *scale, *shift;  // y = (x - mean) scale + shift

  __device__ void operator()(std::int64_t c, const double (&sum)[2]) const {
    const double off = sum[0] / rows, centre = static_cast<double>(x[c]) + off;
    const double difference = sum[1] - off * sum[0];
    const double squares = difference < 0 ? 0 : difference;  // NaN stays NaN
    const double inv = 1 / sqrt(squares / rows + eps);
    const float rounded = static_cast<float>(centre);
    const double factor = static_cast<double>(gamma[c]) * inv;
    mean[c] = rounded;
    inv_std[c] = static_cast<float>(inv);
    scale[c] = static_cast<float>(factor);
    // The shift takes up what the mean lost when it was rounded.
    shift[c] = static_cast<float>(static_cast<double>(beta[c]) +
                                  (static_cast<double>(rounded) - centre) * factor);
    if (running_mean == nullptr) return;
    // A single sample has no unbiased variance: its biased one, 0, stands in.
    const double unbiased = rows > 1 ? squares / (rows - 1) : 0.0;
    running_mean[c] = static_cast<float>((1 - momentum) * static_cast<double>(running_mean[c]) +
                                         momentum * centre);
    running_var[c] = static_cast<float>((1 - momentum) * static_cast<double>(running_var[c]) +
                                        momentum * unbiased);
  }
};

/// Sums of g and of g (x - mean), g = dy where y > 0. Stores g in `g_copy` and g gamma inv_std in
/// `dx` on the way, unless they are null.
///
/// Statistics is either kind of a channel's mean and inv_std.
template <class Statistics>
struct GradientTerms {
  static constexpr int sums = 2, batch = 4;
  const float *x, *y, *dy;
  Statistics statistics;
  const float* gamma;
  float *g_copy, *dx;
  std::int64_t channels;

  template <int V>
  struct Parameters {
    Floats<V> mean, scale;
  };

  template <int V>
  __device__ Parameters<V> parameters(std::int64_t c) const {
    Parameters<V> p{load<V>(statistics.mean + c), splat<V>(0)};
    if (dx == nullptr) return p;
    for (int v = 0; v < V; ++v) p.scale.v[v] = gamma[c + v] * statistics.inv_std(c + v);
    return p;
  }

  template <int V>
  __device__ void add(const Parameters<V>& p, std::int64_t row, int step, int count, std::int64_t c,
                      double (&sum)[sums * V]) const {
    // All loads first: they can't pass the stores below, which may be in place.
    Floats<V> g[batch], a[batch];
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      const std::int64_t i = (row + std::int64_t{r} * step) * channels + c;
      g[r] = r < count ? load<V>(dy + i) : splat<V>(0);
      a[r] = r < count ? load<V>(x + i) : p.mean;
      if (y == nullptr || r >= count) continue;
      const Floats<V> gate = load<V>(y + i);
      for (int v = 0; v < V; ++v) g[r].v[v] = gate.v[v] > 0 ? g[r].v[v] : 0;
    }
    Floats<V> on_beta = splat<V>(0), on_gamma = splat<V>(0);
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      for (int v = 0; v < V; ++v) {
        on_beta.v[v] += g[r].v[v];
        on_gamma.v[v] += g[r].v[v] * (a[r].v[v] - p.mean.v[v]);
      }
      if (r >= count) continue;
      const std::int64_t i = (row + std::int64_t{r} * step) * channels + c;
      if (g_copy != nullptr) store(g_copy + i, g[r]);
      if (dx == nullptr) continue;
      for (int v = 0; v < V; ++v) g[r].v[v] *= p.scale.v[v];
      store(dx + i, g[r]);
    }
    for (int v = 0; v < V; ++v) {
      sum[v] += static_cast<double>(on_beta.v[v]);
      sum[V + v] += static_cast<double>(on_gamma.v[v]);
    }
  }
};

/// The statistics of the batch, as batch_norm_train left them.
struct BatchStatistics {
  const float *mean, *of_inv_std;

  __device__ float inv_std(std::int64_t c) const { return of_inv_std[c]; }
};

/// The running statistics.
struct RunningStatistics {
  const float *mean, *var;
  float eps;

  __device__ float inv_std(std::int64_t c) const { return 1.0f / sqrtf(var[c] + eps); }
};

/// dgamma and dbeta, and for batch_norm_backward the factors of dx = on_g g + on_x (x - mean) +
/// constant, unless `on_g` is null.
template <class Statistics>
struct GradientFinish {
  Statistics statistics;
  const float* gamma;
  double rows;
  float *dgamma, *dbeta;
  float *on_g, *on_x, *constant;

  __device__ void operator()(std::int64_t c, const double (&sum)[2]) const {
    const double inv = static_cast<double>(statistics.inv_std(c));
    dbeta[c] = static_cast<float>(sum[0]);
    dgamma[c] = static_cast<float>(sum[1] * inv);
    if (on_g == nullptr) return;
    const double factor = static_cast<double>(gamma[c]) * inv;
    on_g[c] = static_cast<float>(factor);
    on_x[c] = static_cast<float>(-factor * inv * inv * sum[1] / rows);
    constant[c] = static_cast<float>(-factor * sum[0] / rows);
  }
};

}  // namespace trifold::kernels::cuda
