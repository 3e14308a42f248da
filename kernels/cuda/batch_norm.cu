/// Bound by memory. In arrays of the size of x, of which each is read or written once a pass:
///   statistics     reads 1;
///   apply, eval    reads 1 (residual: 2) and writes 1;
///   train          statistics, then apply;
///   gradient       reads 2 (accumulating: 3) and writes 1;
///   backward       sums read 2 (ReLU: 3, residual: write 1 more), gradient reads 2 (ReLU without
///                  residual: 3) and writes 1;
///   eval_backward  one pass, reads 2 (ReLU: 3) and writes 1 (residual: 2).
/// The statistics of all rows must be there before the first output: no less is possible unless the
/// kernel before sums up what it writes.
#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/batch_norm_terms.cuh"
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

struct RunningAffine {
  RunningStatistics statistics;
  const float *gamma, *beta;

  template <int V>
  __device__ Affine<V> at(std::int64_t c) const {
    Affine<V> a{load<V>(statistics.mean + c), load<V>(gamma + c), load<V>(beta + c)};
    for (int v = 0; v < V; ++v) a.scale.v[v] *= statistics.inv_std(c + v);
    return a;
  }
};

/// y = act((x - mean) scale + shift [+ residual]).
template <class Source>
struct Normalise {
  Source source;
  const float *x, *residual;
  bool relu;
  float* y;
  std::int64_t channels;

  template <int V>
  __device__ Affine<V> parameters(std::int64_t c) const {
    return source.template at<V>(c);
  }

  template <int V>
  __device__ void run(const Affine<V>& p, std::int64_t row, std::int64_t c) const {
    const std::int64_t i = row * channels + c;
    Floats<V> a = p(load<V>(x + i));
    if (residual != nullptr) {
      const Floats<V> other = load<V>(residual + i);
      for (int v = 0; v < V; ++v) a.v[v] += other.v[v];
    }
    if (relu) {
      for (int v = 0; v < V; ++v) a.v[v] = relu_of(a.v[v]);
    }
    store(y + i, a);
  }
};

/// dx [+]= scale g + (scaled_coefficient (x - mean) + scaled_constant), g = dy where y > 0, or dy
/// itself where y is null: the coefficients of batch_norm_gradient_coefficients from the sums of g
/// and of g (x - mean), those of x and 1 with the scale in them. The threads of row 0 store dgamma
/// and dbeta too.
struct CombineGradients {
  const float *x, *y, *dy;
  const float *mean, *inv_std, *gamma, *sums;
  float inv_rows;
  bool accumulate;
  float *dx, *dgamma, *dbeta;
  std::int64_t channels, pitch;  ///< pitch: the floats from a row of x and of dx to the next

  template <int V>
  struct Parameters {
    Floats<V> mean, scale, scaled_coefficient, scaled_constant;
  };

  template <int V>
  __device__ Parameters<V> parameters(std::int64_t c) const {
    const Floats<V> inv = load<V>(inv_std + c);
    const Floats<V> of_g = load<V>(sums + c), of_product = load<V>(sums + channels + c);
    Parameters<V> p{load<V>(mean + c), load<V>(gamma + c), {}, {}};
    for (int v = 0; v < V; ++v) {
      p.scale.v[v] *= inv.v[v];
      p.scaled_coefficient.v[v] =
          -p.scale.v[v] * inv.v[v] * (inv.v[v] * of_product.v[v] * inv_rows);
      p.scaled_constant.v[v] = -p.scale.v[v] * (of_g.v[v] * inv_rows);
    }
    return p;
  }

  template <int V>
  __device__ void run(const Parameters<V>& p, std::int64_t row, std::int64_t c) const {
    const std::int64_t i = row * channels + c;
    Floats<V> g = load<V>(dy + i);
    if (y != nullptr) {
      const Floats<V> result = load<V>(y + i);
      for (int v = 0; v < V; ++v) g.v[v] = relu_masked(g.v[v], result.v[v]);
    }
    const std::int64_t j = row * pitch + c;
    const Floats<V> a = load<V>(x + j);
    for (int v = 0; v < V; ++v) {
      const float mean_part =
          fmaf(p.scaled_coefficient.v[v], a.v[v] - p.mean.v[v], p.scaled_constant.v[v]);
      g.v[v] = fmaf(p.scale.v[v], g.v[v], mean_part);
    }
    if (accumulate) {
      const Floats<V> before = load<V>(dx + j);
      for (int v = 0; v < V; ++v) g.v[v] += before.v[v];
    }
    store(dx + j, g);
    if (row != 0) return;
    for (int v = 0; v < V; ++v) {
      dbeta[c + v] = sums[c + v];
      dgamma[c + v] = inv_std[c + v] * sums[channels + c + v];
    }
  }
};

constexpr int factor_threads = 128;

/// A thread owns a channel.
__global__ void __launch_bounds__(factor_threads)
    batch_norm_factors_kernel(StoreFactors factors, const float* statistics,
                              std::int64_t channels) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * factor_threads + threadIdx.x;
  if (c >= channels) return;
  factors(c,
          ChannelStatistics{statistics[c], statistics[channels + c], statistics[2 * channels + c]});
}

/// A thread owns a channel.
__global__ void __launch_bounds__(factor_threads)
    batch_norm_gradient_coefficients_kernel(StoreCoefficients coefficients, const float* sums,
                                            std::int64_t channels) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * factor_threads + threadIdx.x;
  if (c < channels) coefficients(c, sums[c], sums[channels + c]);
}

template <class Next>
void reduce_statistics(const Exec& ex, const BatchNormShape& s, const float* x, const Next& next) {
  channel_sums(ex, "batch_norm_statistics", "batch_norm_statistics_totals", s.rows, s.channels,
               s.channels % 4 == 0 && aligned({x}), StatisticsTerms{x, s.channels},
               StatisticsOfSums<Next>{x, static_cast<double>(s.rows), next});
}

void combine_gradients(const Exec& ex, const BatchNormShape& s, const CombineGradients& combine) {
  const bool vectors = s.channels % 4 == 0 && combine.pitch % 4 == 0 &&
                       aligned({combine.x, combine.y, combine.dy, combine.dx, combine.mean,
                                combine.inv_std, combine.gamma, combine.sums});
  column_map(ex, "batch_norm_gradient", s.rows, s.channels, vectors, combine);
}

}  // namespace

void batch_norm_statistics(const Exec& ex, const BatchNormShape& s, const float* x,
                           float* statistics) {
  check(s);
  reduce_statistics(ex, s, x, StoreStatistics{statistics, s.channels});
}

void batch_norm_factors(const Exec& ex, const BatchNormShape& s, const float* statistics,
                        const float* gamma, const float* beta, float eps, float momentum,
                        float* mean, float* inv_std, float* scale, float* shift,
                        float* running_mean, float* running_var) {
  check(s);
  launch(ex, "batch_norm_factors", batch_norm_factors_kernel,
         blocks_in_row(div_up(s.channels, factor_threads)), factor_threads,
         StoreFactors{gamma, beta, static_cast<double>(s.rows), eps, momentum, mean, inv_std, scale,
                      shift, running_mean, running_var},
         statistics, s.channels);
}

void batch_norm_apply(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                      const float* scale, const float* shift, const float* residual, Activation act,
                      float* y) {
  check(s);
  const bool vectors = s.channels % 4 == 0 && aligned({x, residual, y, mean, scale, shift});
  column_map(ex, "batch_norm_apply", s.rows, s.channels, vectors,
             Normalise<ChannelAffine>{
                 {mean, scale, shift}, x, residual, act == Activation::relu, y, s.channels});
}

void batch_norm_train(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float eps, float momentum, const float* residual,
                      Activation act, float* y, float* mean, float* inv_std, float* running_mean,
                      float* running_var) {
  check(s);
  const Scratch<float> scale(ex, s.channels), shift(ex, s.channels);
  reduce_statistics(ex, s, x,
                    StoreFactors{gamma, beta, static_cast<double>(s.rows), eps, momentum, mean,
                                 inv_std, scale.data(), shift.data(), running_mean, running_var});
  cuda::batch_norm_apply(ex, s, x, mean, scale.data(), shift.data(), residual, act, y);
}

void batch_norm_eval(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                     const float* beta, const float* running_mean, const float* running_var,
                     float eps, const float* residual, Activation act, float* y) {
  check(s);
  const bool vectors = s.channels % 4 == 0 && aligned({x, residual, y, gamma, beta, running_mean});
  column_map(ex, "batch_norm_eval", s.rows, s.channels, vectors,
             Normalise<RunningAffine>{{{running_mean, running_var, eps}, gamma, beta},
                                      x,
                                      residual,
                                      act == Activation::relu,
                                      y,
                                      s.channels});
}

void batch_norm_gradient_sums(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* mean, const float* dy, float* g,
                              float* sums, const BatchNormCoefficients* coefficients) {
  check(s);
  const std::int64_t c = s.channels;
  // Without dx to scale it needs no inv_std and no gamma.
  channel_sums(ex, "batch_norm_gradient_sums", "batch_norm_gradient_totals", s.rows, c,
               c % 4 == 0 && aligned({x, y, dy, g, mean}),
               GradientTerms<BatchStatistics>{x, y, dy, {mean, nullptr}, nullptr, g, nullptr, c},
               gradient_sums_to(sums, s, coefficients));
}

void batch_norm_gradient(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                         const float* inv_std, const float* gamma, const float* g,
                         const float* sums, Write write, float* dx, float* dgamma, float* dbeta,
                         std::int64_t pitch) {
  check(s);
  combine_gradients(
      ex, s,
      {x, nullptr, g, mean, inv_std, gamma, sums, 1.0f / static_cast<float>(s.rows),
       write == Write::accumulate, dx, dgamma, dbeta, s.channels, pitch_of(pitch, s)});
}

void batch_norm_gradient_coefficients(const Exec& ex, const BatchNormShape& s, const float* inv_std,
                                      const float* gamma, const float* sums, float* scale,
                                      float* coefficient, float* constant, float* dgamma,
                                      float* dbeta) {
  check(s);
  launch(ex, "batch_norm_gradient_coefficients", batch_norm_gradient_coefficients_kernel,
         blocks_in_row(div_up(s.channels, factor_threads)), factor_threads,
         StoreCoefficients{{inv_std, gamma, scale, coefficient, constant, dgamma, dbeta},
                           static_cast<double>(s.rows)},
         sums, s.channels);
}

void batch_norm_backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
                         const float* mean, const float* inv_std, const float* gamma,
                         Activation act, const float* dy, float* dx, float* dgamma, float* dbeta,
                         float* dresidual) {
  check(s);
  const std::int64_t c = s.channels;
  const float* relu_y = act == Activation::relu ? y : nullptr;
  const Scratch<float> sums(ex, 2 * c);
  cuda::batch_norm_gradient_sums(ex, s, x, relu_y, mean, dy, dresidual, sums.data(), nullptr);
  // dresidual holds g by now, and may have replaced dy.
  const bool has_g = dresidual != nullptr;
  combine_gradients(
      ex, s,
      {x, has_g ? nullptr : relu_y, has_g ? dresidual : dy, mean, inv_std, gamma, sums.data(),
       1.0f / static_cast<float>(s.rows), false, dx, dgamma, dbeta, c, c});
}

void batch_norm_eval_backward(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* running_mean, const float* running_var,
                              float eps, const float* gamma, Activation act, const float* dy,
                              float* dx, float* dgamma, float* dbeta, float* dresidual) {
  check(s);
  const std::int64_t c = s.channels;
  const float* relu_y = act == Activation::relu ? y : nullptr;
  const bool vectors = c % 4 == 0 && aligned({x, relu_y, dy, dx, dresidual, running_mean});
  const RunningStatistics statistics{running_mean, running_var, eps};
  channel_sums(ex, "batch_norm_eval_gradient", "batch_norm_eval_gradient_sums", s.rows, c, vectors,
               GradientTerms<RunningStatistics>{x, relu_y, dy, statistics, gamma, dresidual, dx, c},
               EvalGradientOfSums{statistics, dgamma, dbeta});
}

}  // namespace trifold::kernels::cuda
