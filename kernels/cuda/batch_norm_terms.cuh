/// What the passes of batch_norm compute for one thread: V channels of some rows. Products are
/// fused by name: kernels that have to find the same bits mustn't hang on what the compiler fuses.
#pragma once

#include "kernels/batch_norm.h"
#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/columns.cuh"

namespace trifold::kernels::cuda {

/// Sums of x - x0 and of (x - x0)^2, x0 the channel's first sample. Within a batch of rows, floats
/// are taken relative to the batch's own mean and only the rest is summed in double, so that
/// neither a large mean nor a first sample far from it costs digits: |x0 - mean| is at most
/// sqrt(rows) std.
struct StatisticsTerms {
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
        squares = fmaf(d, d, squares);
      }
      const double shift = static_cast<double>(centre) - static_cast<double>(first.v[v]);
      const double of_batch = fma(static_cast<double>(count), shift, static_cast<double>(off));
      sum[v] += of_batch;
      sum[V + v] += fma(shift, static_cast<double>(off) + of_batch, static_cast<double>(squares));
    }
  }
};

/// The statistics of one channel, as batch_norm_statistics gives them.
struct ChannelStatistics {
  float mean, mean_low, var;
};

/// From sums of deviations from `first` and of their squares to the statistics, which it hands on.
template <class Next>
struct StatisticsOfSums {
  const float* first;
  double rows;
  Next next;

  __device__ void operator()(std::int64_t c, const double (&sum)[2]) const {
    const double off = sum[0] / rows, centre = static_cast<double>(first[c]) + off;
    const double difference = fma(-off, sum[0], sum[1]);
    const double squares = difference < 0 ? 0 : difference;  // NaN stays NaN
    const float mean = static_cast<float>(centre);
    next(c, ChannelStatistics{mean, static_cast<float>(centre - static_cast<double>(mean)),
                              static_cast<float>(squares / rows)});
  }
};

struct StoreStatistics {
  float* statistics;
  std::int64_t channels;

  __device__ void operator()(std::int64_t c, const ChannelStatistics& m) const {
    statistics[c] = m.mean;
    statistics[channels + c] = m.mean_low;
    statistics[2 * channels + c] = m.var;
  }
};

/// From the statistics to the factors of the normalisation and to the running statistics.
struct StoreFactors {
  const float *gamma, *beta;
  double rows, eps, momentum;
  float *mean, *inv_std, *scale, *shift, *running_mean, *running_var;

  __device__ void operator()(std::int64_t c, const ChannelStatistics& m) const {
    const double mean_low = static_cast<double>(m.mean_low), var = static_cast<double>(m.var);
    const double inv = 1 / sqrt(var + eps), factor = static_cast<double>(gamma[c]) * inv;
    mean[c] = m.mean;
    inv_std[c] = static_cast<float>(inv);
    scale[c] = static_cast<float>(factor);
    // The shift takes up the low part of the mean.
    shift[c] = static_cast<float>(fma(-mean_low, factor, static_cast<double>(beta[c])));
    if (running_mean == nullptr) return;
    // A single sample has no unbiased variance: its biased one, 0, stands in.
    const double unbiased = rows > 1 ? var * rows / (rows - 1) : 0.0;
    running_mean[c] = static_cast<float>(fma(1 - momentum, static_cast<double>(running_mean[c]),
                                             momentum * (static_cast<double>(m.mean) + mean_low)));
    running_var[c] = static_cast<float>(
        fma(1 - momentum, static_cast<double>(running_var[c]), momentum * unbiased));
  }
};

/// Leaves the statistics and, unless its pointers are null, the factors.
struct StoreStatisticsAndFactors {
  StoreStatistics statistics;
  StoreFactors factors;

  __device__ void operator()(std::int64_t c, const ChannelStatistics& m) const {
    statistics(c, m);
    if (factors.mean != nullptr) factors(c, m);
  }
};

/// `f` may be null.
inline StoreFactors factors_of(const BatchNormFactors* f, std::int64_t rows) {
  if (f == nullptr) return {};
  return {f->gamma,        f->beta,       static_cast<double>(rows),
          f->eps,          f->momentum,   f->mean,
          f->inv_std,      f->scale,      f->shift,
          f->running_mean, f->running_var};
}

/// From the sums of g and of g (x - mean) to the coefficients of the deferred gradient.
struct StoreCoefficients {
  BatchNormCoefficients to;
  double rows;

  __device__ void operator()(std::int64_t c, float sum_g, float sum_product) const {
    const auto inv = static_cast<double>(to.inv_std[c]), of_g = static_cast<double>(sum_g);
    const auto of_product = static_cast<double>(sum_product);
    to.scale[c] = static_cast<float>(static_cast<double>(to.gamma[c]) * inv);
    to.coefficient[c] = static_cast<float>(-inv * inv * of_product / rows);
    to.constant[c] = static_cast<float>(-of_g / rows);
    to.dgamma[c] = static_cast<float>(inv * of_product);
    to.dbeta[c] = sum_g;
  }
};

/// Leaves the sums of g and of g (x - mean) as float32 and, unless its pointers are null, the
/// coefficients of what was rounded so.
struct StoreGradientSums {
  float* sums;
  std::int64_t channels;
  StoreCoefficients coefficients;

  __device__ void operator()(std::int64_t c, const double (&sum)[2]) const {
    const auto of_g = static_cast<float>(sum[0]), of_product = static_cast<float>(sum[1]);
    sums[c] = of_g;
    sums[channels + c] = of_product;
    if (coefficients.to.scale != nullptr) coefficients(c, of_g, of_product);
  }
};

/// `k` may be null.
inline StoreGradientSums gradient_sums_to(float* sums, const BatchNormShape& s,
                                          const BatchNormCoefficients* k) {
  return {
      sums, s.channels, {k == nullptr ? BatchNormCoefficients{} : *k, static_cast<double>(s.rows)}};
}

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
      const Floats<V> result = load<V>(y + i);
      for (int v = 0; v < V; ++v) g[r].v[v] = relu_masked(g[r].v[v], result.v[v]);
    }
    Floats<V> of_g = splat<V>(0), of_product = splat<V>(0);
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      for (int v = 0; v < V; ++v) {
        of_g.v[v] += g[r].v[v];
        of_product.v[v] = fmaf(g[r].v[v], a[r].v[v] - p.mean.v[v], of_product.v[v]);
      }
      if (r >= count) continue;
      const std::int64_t i = (row + std::int64_t{r} * step) * channels + c;
      if (g_copy != nullptr) store(g_copy + i, g[r]);
      if (dx == nullptr) continue;
      for (int v = 0; v < V; ++v) g[r].v[v] *= p.scale.v[v];
      store(dx + i, g[r]);
    }
    for (int v = 0; v < V; ++v) {
      sum[v] += static_cast<double>(of_g.v[v]);
      sum[V + v] += static_cast<double>(of_product.v[v]);
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

/// dgamma and dbeta of the running statistics.
struct EvalGradientOfSums {
  RunningStatistics statistics;
  float *dgamma, *dbeta;

  __device__ void operator()(std::int64_t c, const double (&sum)[2]) const {
    dbeta[c] = static_cast<float>(sum[0]);
    dgamma[c] = static_cast<float>(sum[1] * static_cast<double>(statistics.inv_std(c)));
  }
};

}  // namespace trifold::kernels::cuda
