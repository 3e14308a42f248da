/// Bound by memory. In arrays of the size of x, of which each is read or written once a pass:
///   train          statistics read 1; normalisation reads 1 (residual: 2) and writes 1;
///   eval           reads 1 (residual: 2) and writes 1;
///   backward       sums read 2 (ReLU: 3, residual: write 1 more), gradient reads 2 (ReLU without
///                  residual: 3) and writes 1;
///   eval_backward  one pass, reads 2 (ReLU: 3) and writes 1 (residual: 2).
/// The statistics of all rows must be there before the first output: no less is possible unless the
/// kernel before sums up what it writes.
#include "kernels/backends.h"
#include "kernels/cuda/batch_norm_terms.cuh"
#include "kernels/cuda/channel_sums.cuh"

namespace trifold::kernels::cuda {
namespace {

/// The factors of y = (x - mean) scale + shift, V channels of them.
template <int V>
struct Affine {
  Floats<V> mean, scale, shift;
};

/// As MomentFinish left them.
struct BatchAffine {
  const float *mean, *scale, *shift;

  template <int V>
  __device__ Affine<V> at(std::int64_t c) const {
    return {load<V>(mean + c), load<V>(scale + c), load<V>(shift + c)};
  }
};

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
    Floats<V> a = load<V>(x + i);
    for (int v = 0; v < V; ++v) {
      a.v[v] = (a.v[v] - p.mean.v[v]) * p.scale.v[v] + p.shift.v[v];
    }
    if (residual != nullptr) {
      const Floats<V> other = load<V>(residual + i);
      for (int v = 0; v < V; ++v) a.v[v] += other.v[v];
    }
    if (relu) {  // Not a maximum, so that NaN stays NaN.
      for (int v = 0; v < V; ++v) a.v[v] = a.v[v] < 0 ? 0 : a.v[v];
    }
    store(y + i, a);
  }
};

/// dx = on_g g + (on_x (x - mean) + constant), g = dy where y > 0, or dy itself where y is null.
struct CombineGradients {
  const float *x, *y, *dy;
  const float *mean, *on_g, *on_x, *constant;
  float* dx;
  std::int64_t channels;

  template <int V>
  struct Parameters {
    Floats<V> mean, on_g, on_x, constant;
  };

  template <int V>
  __device__ Parameters<V> parameters(std::int64_t c) const {
    return {load<V>(mean + c), load<V>(on_g + c), load<V>(on_x + c), load<V>(constant + c)};
  }

  template <int V>
  __device__ void run(const Parameters<V>& p, std::int64_t row, std::int64_t c) const {
    const std::int64_t i = row * channels + c;
    Floats<V> g = load<V>(dy + i);
    if (y != nullptr) {
      const Floats<V> gate = load<V>(y + i);
      for (int v = 0; v < V; ++v) g.v[v] = gate.v[v] > 0 ? g.v[v] : 0;
    }
    const Floats<V> a = load<V>(x + i);
    for (int v = 0; v < V; ++v) {
      const float mean_part = p.on_x.v[v] * (a.v[v] - p.mean.v[v]) + p.constant.v[v];
      g.v[v] = p.on_g.v[v] * g.v[v] + mean_part;
    }
    store(dx + i, g);
  }
};

}  // namespace

void batch_norm_train(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float eps, float momentum, const float* residual,
                      Activation act, float* y, float* mean, float* inv_std, float* running_mean,
                      float* running_var) {
  check(s);
  const std::int64_t c = s.channels;
  const Scratch<float> scale(ex, c), shift(ex, c);
  const bool vectors = c % 4 == 0 && aligned({x, residual, y, mean});
  channel_sums(ex, "batch_norm_moments", "batch_norm_statistics", s.rows, c, vectors,
               MomentTerms{x, c},
               MomentFinish{x, gamma, beta, static_cast<double>(s.rows), eps, momentum, mean,
                            inv_std, running_mean, running_var, scale.data(), shift.data()});
  column_map(ex, "batch_norm_normalise", s.rows, c, vectors,
             Normalise<BatchAffine>{
                 {mean, scale.data(), shift.data()}, x, residual, act == Activation::relu, y, c});
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

void batch_norm_backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
                         const float* mean, const float* inv_std, const float* gamma,
                         Activation act, const float* dy, float* dx, float* dgamma, float* dbeta,
                         float* dresidual) {
  check(s);
  const std::int64_t c = s.channels;
  const float* gate = act == Activation::relu ? y : nullptr;
  const bool vectors = c % 4 == 0 && aligned({x, gate, dy, dx, dresidual, mean});
  const Scratch<float> on_g(ex, c), on_x(ex, c), constant(ex, c);
  const BatchStatistics statistics{mean, inv_std};
  channel_sums(
      ex, "batch_norm_gradient_sums", "batch_norm_gradient_factors", s.rows, c, vectors,
      GradientTerms<BatchStatistics>{x, gate, dy, statistics, gamma, dresidual, nullptr, c},
      GradientFinish<BatchStatistics>{statistics, gamma, static_cast<double>(s.rows), dgamma, dbeta,
                                      on_g.data(), on_x.data(), constant.data()});
  // dresidual holds g by now, and may have replaced dy.
  const bool has_g = dresidual != nullptr;
  column_map(ex, "batch_norm_gradient", s.rows, c, vectors,
             CombineGradients{x, has_g ? nullptr : gate, has_g ? dresidual : dy, mean, on_g.data(),
                              on_x.data(), constant.data(), dx, c});
}

void batch_norm_eval_backward(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* running_mean, const float* running_var,
                              float eps, const float* gamma, Activation act, const float* dy,
                              float* dx, float* dgamma, float* dbeta, float* dresidual) {
  check(s);
  const std::int64_t c = s.channels;
  const float* gate = act == Activation::relu ? y : nullptr;
  const bool vectors = c % 4 == 0 && aligned({x, gate, dy, dx, dresidual, running_mean});
  const RunningStatistics statistics{running_mean, running_var, eps};
  channel_sums(ex, "batch_norm_eval_gradient", "batch_norm_eval_gradient_sums", s.rows, c, vectors,
               GradientTerms<RunningStatistics>{x, gate, dy, statistics, gamma, dresidual, dx, c},
               GradientFinish<RunningStatistics>{statistics, gamma, static_cast<double>(s.rows),
                                                 dgamma, dbeta, nullptr, nullptr, nullptr});
}

}  // namespace trifold::kernels::cuda
