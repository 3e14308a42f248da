#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/batch_norm.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include <cmath>
#include <vector>

#include "kernels/backends.h"
#include "kernels/cpu/batch_norm-inl.h"
#include "kernels/cpu/batch_norm_types.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

/// Mean and sum of squared deviations, channel by channel, of each block of rows:
/// result[(2 block) channels + c] and result[(2 block + 1) channels + c].
///
/// A block's mean is first estimated in a sweep that fetches the block into the cache; the second
/// sweep sums the deviations from the estimate and their squares. However large the mean, the
/// deviations are small, and the estimate's own rounding is corrected by their sum.
Doubles block_moments(const Exec& ex, const BatchNormShape& s, const RowGroup& group,
                      const float* x) {
  const std::int64_t c = s.channels, block = group.block_rows();
  const std::int64_t blocks = (s.rows + block - 1) / block;
  Doubles moments(size(2 * blocks * c));
  for_ranges(ex, blocks, 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    Floats sums(size(2 * group.width)), estimate(size(c)), shift(size(group.width));
    for (std::int64_t b = first; b < last; ++b) {
      const std::int64_t begin = b * block * c, end = std::min(s.rows, (b + 1) * block) * c;
      const auto rows = static_cast<double>((end - begin) / c);
      double* mean = moments.data() + 2 * b * c;
      double* squares = mean + c;
      channel_sums<1>(
          group, begin, end,
          [=](auto d, std::int64_t i, std::int64_t, auto& acc)
              HWY_ATTR { acc[0] = hn::Add(acc[0], hn::LoadU(d, x + i)); },
          sums.data(), mean);
      for (std::int64_t j = 0; j < c; ++j) estimate[size(j)] = static_cast<float>(mean[j] / rows);
      group.repeat(estimate.data(), shift.data());
      const float* centre = shift.data();
      channel_sums<2>(
          group, begin, end,
          [=](auto d, std::int64_t i, std::int64_t k, auto& acc) HWY_ATTR {
            const auto deviation = hn::Sub(hn::LoadU(d, x + i), hn::LoadU(d, centre + k));
            acc[0] = hn::Add(acc[0], deviation);
            acc[1] = hn::MulAdd(deviation, deviation, acc[1]);
          },
          sums.data(), mean);
      for (std::int64_t j = 0; j < c; ++j) {
        const double off = mean[j] / rows;
        squares[j] -= off * mean[j];
        mean[j] = estimate[size(j)] + off;
      }
    }
  });
  return moments;
}

/// Sums a channel of g and of g (x - mean), in sums[c] and sums[channels + c]. Stores g in
/// `g_copy` and scale g in `dx` on the way, unless they are null.
Doubles gradient_sums(const Exec& ex, const BatchNormShape& s, const RowGroup& group,
                      const float* x, const Floats& mean, const OutputGradient& gradient,
                      float* g_copy, const Floats& scale, float* dx) {
  const std::int64_t c = s.channels, block = group.block_rows();
  const std::int64_t blocks = (s.rows + block - 1) / block;
  const Floats means = group.repeat(mean), scales = group.repeat(scale);
  const float *centre = means.data(), *factor = scales.data();
  Doubles parts(size(2 * blocks * c));
  const auto terms = [=](auto d, std::int64_t i, std::int64_t k, auto& acc) HWY_ATTR {
    auto g = hn::LoadU(d, gradient.dy + i);
    if (gradient.y != nullptr) {
      g = hn::IfThenElseZero(hn::Gt(hn::LoadU(d, gradient.y + i), hn::Zero(d)), g);
    }
    const auto deviation = hn::Sub(hn::LoadU(d, x + i), hn::LoadU(d, centre + k));
    acc[0] = hn::Add(acc[0], g);
    acc[1] = hn::MulAdd(g, deviation, acc[1]);
    if (g_copy != nullptr) hn::StoreU(g, d, g_copy + i);
    if (dx != nullptr) hn::StoreU(hn::Mul(hn::LoadU(d, factor + k), g), d, dx + i);
  };
  for_ranges(ex, blocks, 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    Floats sums(size(2 * group.width));
    for (std::int64_t b = first; b < last; ++b) {
      channel_sums<2>(group, b * block * c, std::min(s.rows, (b + 1) * block) * c, terms,
                      sums.data(), parts.data() + 2 * b * c);
    }
  });
  Doubles total(parts.begin(), parts.begin() + 2 * c);
  for (std::int64_t b = 1; b < blocks; ++b) {
    for (std::int64_t j = 0; j < 2 * c; ++j) total[size(j)] += parts[size(2 * b * c + j)];
  }
  return total;
}

/// y = act((x - mean) scale + shift [+ residual]).
void normalise(const Exec& ex, const BatchNormShape& s, const RowGroup& group, const float* x,
               const Floats& mean, const Floats& scale, const Floats& shift, const float* residual,
               Activation act, float* y) {
  const Floats means = group.repeat(mean), scales = group.repeat(scale),
               shifts = group.repeat(shift);
  const float *m = means.data(), *a = scales.data(), *b = shifts.data();
  const std::int64_t count = s.rows * s.channels;
  const std::int64_t grain = grain_of(group.width) * group.width;
  for_ranges(ex, count, grain, [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    sweep(group, begin, end, [=](auto d, std::int64_t i, std::int64_t k) HWY_ATTR {
      const auto deviation = hn::Sub(hn::LoadU(d, x + i), hn::LoadU(d, m + k));
      auto v = hn::MulAdd(deviation, hn::LoadU(d, a + k), hn::LoadU(d, b + k));
      if (residual != nullptr) v = hn::Add(v, hn::LoadU(d, residual + i));
      // Not a maximum, so that NaN stays NaN.
      if (act == Activation::relu) v = hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v);
      hn::StoreU(v, d, y + i);
    });
  });
}

/// dx = on_g g + (on_x (x - mean) + constant).
void combine_gradients(const Exec& ex, const BatchNormShape& s, const RowGroup& group,
                       const float* x, const Floats& mean, const OutputGradient& gradient,
                       const Floats& on_g, const Floats& on_x, const Floats& constant, float* dx) {
  const Floats means = group.repeat(mean), on_gs = group.repeat(on_g), on_xs = group.repeat(on_x),
               constants = group.repeat(constant);
  const float *m = means.data(), *a = on_gs.data(), *b = on_xs.data(), *e = constants.data();
  const std::int64_t count = s.rows * s.channels;
  const std::int64_t grain = grain_of(group.width) * group.width;
  for_ranges(ex, count, grain, [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    sweep(group, begin, end, [=](auto d, std::int64_t i, std::int64_t k) HWY_ATTR {
      auto g = hn::LoadU(d, gradient.dy + i);
      if (gradient.y != nullptr) {
        g = hn::IfThenElseZero(hn::Gt(hn::LoadU(d, gradient.y + i), hn::Zero(d)), g);
      }
      const auto deviation = hn::Sub(hn::LoadU(d, x + i), hn::LoadU(d, m + k));
      const auto mean_part = hn::MulAdd(hn::LoadU(d, b + k), deviation, hn::LoadU(d, e + k));
      hn::StoreU(hn::MulAdd(hn::LoadU(d, a + k), g, mean_part), d, dx + i);
    });
  });
}

void train(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
           const float* beta, float eps, float momentum, const float* residual, Activation act,
           float* y, float* mean, float* inv_std, float* running_mean, float* running_var) {
  const RowGroup group(s.channels);
  const std::int64_t c = s.channels, block = group.block_rows();
  const std::int64_t blocks = (s.rows + block - 1) / block;
  const Doubles moments = block_moments(ex, s, group, x);
  const auto rows_of = [&](std::int64_t b) {
    return static_cast<double>(std::min(block, s.rows - b * block));
  };
  const auto rows = static_cast<double>(s.rows);

  // The blocks' moments join in two passes, for the squares need the mean of all.
  Doubles centre(size(c), 0.0), squares(size(c), 0.0);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const double *part = moments.data() + 2 * b * c, weight = rows_of(b) / rows;
    for (std::int64_t j = 0; j < c; ++j) centre[size(j)] += weight * part[j];
  }
  for (std::int64_t b = 0; b < blocks; ++b) {
    const double *part = moments.data() + 2 * b * c, weight = rows_of(b);
    for (std::int64_t j = 0; j < c; ++j) {
      const double off = part[j] - centre[size(j)];
      squares[size(j)] += part[c + j] + weight * off * off;
    }
  }

  Floats means(size(c)), scale(size(c)), shift(size(c));
  for (std::int64_t j = 0; j < c; ++j) {
    const double var = squares[size(j)] / rows;
    const double inv = 1 / std::sqrt(var + static_cast<double>(eps));
    mean[j] = means[size(j)] = static_cast<float>(centre[size(j)]);
    inv_std[j] = static_cast<float>(inv);
    const double factor = static_cast<double>(gamma[j]) * inv;
    scale[size(j)] = static_cast<float>(factor);
    // The shift takes up what the mean lost when it was rounded.
    shift[size(j)] = static_cast<float>(beta[j] + (means[size(j)] - centre[size(j)]) * factor);
    if (running_mean == nullptr) continue;
    // A single sample has no unbiased variance: its biased one, 0, stands in.
    const double unbiased = s.rows > 1 ? squares[size(j)] / (rows - 1) : 0.0;
    const double m = static_cast<double>(momentum);
    running_mean[j] = static_cast<float>((1 - m) * running_mean[j] + m * centre[size(j)]);
    running_var[j] = static_cast<float>((1 - m) * running_var[j] + m * unbiased);
  }
  normalise(ex, s, group, x, means, scale, shift, residual, act, y);
}

void eval(const Exec& ex, const BatchNormShape& s, const float* x, const Floats& mean,
          const Floats& scale, const Floats& shift, const float* residual, Activation act,
          float* y) {
  normalise(ex, s, RowGroup(s.channels), x, mean, scale, shift, residual, act, y);
}

void backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
              const float* mean, const float* inv_std, const float* gamma, const float* dy,
              float* dx, float* dgamma, float* dbeta, float* dresidual) {
  const RowGroup group(s.channels);
  const std::int64_t c = s.channels;
  const Floats means(mean, mean + c), none(size(c), 0.0f);
  const OutputGradient gradient{dy, y};
  const Doubles sums = gradient_sums(ex, s, group, x, means, gradient, dresidual, none, nullptr);

  const auto rows = static_cast<double>(s.rows);
  Floats on_g(size(c)), on_x(size(c)), constant(size(c));
  for (std::int64_t j = 0; j < c; ++j) {
    const double inv = inv_std[j], factor = static_cast<double>(gamma[j]) * inv;
    dbeta[j] = static_cast<float>(sums[size(j)]);
    dgamma[j] = static_cast<float>(sums[size(c + j)] * inv);
    on_g[size(j)] = static_cast<float>(factor);
    on_x[size(j)] = static_cast<float>(-factor * inv * inv * sums[size(c + j)] / rows);
    constant[size(j)] = static_cast<float>(-factor * sums[size(j)] / rows);
  }
  // dresidual holds g by now, and may have replaced dy.
  const OutputGradient again = dresidual != nullptr ? OutputGradient{dresidual, nullptr} : gradient;
  combine_gradients(ex, s, group, x, means, again, on_g, on_x, constant, dx);
}

void eval_backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
                   const Floats& mean, const Doubles& inv_std, const float* gamma, const float* dy,
                   float* dx, float* dgamma, float* dbeta, float* dresidual) {
  const std::int64_t c = s.channels;
  Floats scale(size(c));
  for (std::int64_t j = 0; j < c; ++j) {
    scale[size(j)] = static_cast<float>(static_cast<double>(gamma[j]) * inv_std[size(j)]);
  }
  const Doubles sums =
      gradient_sums(ex, s, RowGroup(c), x, mean, OutputGradient{dy, y}, dresidual, scale, dx);
  for (std::int64_t j = 0; j < c; ++j) {
    dbeta[j] = static_cast<float>(sums[size(j)]);
    dgamma[j] = static_cast<float>(sums[size(c + j)] * inv_std[size(j)]);
  }
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {
namespace {

Doubles inverse_std(std::int64_t channels, const float* var, float eps) {
  Doubles result(size(channels));
  for (std::int64_t j = 0; j < channels; ++j) {
    result[size(j)] = 1 / std::sqrt(static_cast<double>(var[j]) + static_cast<double>(eps));
  }
  return result;
}

}  // namespace

HWY_EXPORT(train);
HWY_EXPORT(eval);
HWY_EXPORT(backward);
HWY_EXPORT(eval_backward);

void batch_norm_train(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float eps, float momentum, const float* residual,
                      Activation act, float* y, float* mean, float* inv_std, float* running_mean,
                      float* running_var) {
  check(s);
  TRIFOLD_DISPATCH(train)
  (ex, s, x, gamma, beta, eps, momentum, residual, act, y, mean, inv_std, running_mean,
   running_var);
}

void batch_norm_eval(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                     const float* beta, const float* running_mean, const float* running_var,
                     float eps, const float* residual, Activation act, float* y) {
  check(s);
  const std::int64_t c = s.channels;
  const Doubles inv_std = inverse_std(c, running_var, eps);
  Floats scale(size(c));
  for (std::int64_t j = 0; j < c; ++j) {
    scale[size(j)] = static_cast<float>(static_cast<double>(gamma[j]) * inv_std[size(j)]);
  }
  TRIFOLD_DISPATCH(eval)
  (ex, s, x, Floats(running_mean, running_mean + c), scale, Floats(beta, beta + c), residual, act,
   y);
}

void batch_norm_backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
                         const float* mean, const float* inv_std, const float* gamma,
                         Activation act, const float* dy, float* dx, float* dgamma, float* dbeta,
                         float* dresidual) {
  check(s);
  TRIFOLD_DISPATCH(backward)
  (ex, s, x, act == Activation::relu ? y : nullptr, mean, inv_std, gamma, dy, dx, dgamma, dbeta,
   dresidual);
}

void batch_norm_eval_backward(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* running_mean, const float* running_var,
                              float eps, const float* gamma, Activation act, const float* dy,
                              float* dx, float* dgamma, float* dbeta, float* dresidual) {
  check(s);
  TRIFOLD_DISPATCH(eval_backward)
  (ex, s, x, act == Activation::relu ? y : nullptr, Floats(running_mean, running_mean + s.channels),
   inverse_std(s.channels, running_var, eps), gamma, dy, dx, dgamma, dbeta, dresidual);
}

}  // namespace trifold::kernels::cpu
#endif
