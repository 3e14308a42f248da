#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/batch_norm.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include <vector>

#include "kernels/cpu/batch_norm-inl.h"
#include "kernels/cpu/batch_norm_statistics.h"
#include "kernels/cpu/batch_norm_types.h"
#include "kernels/cpu/pointwise-inl.h"
#include "kernels/runtime/backends.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

/// The statistics of blocks of rows, merged.
///
/// Deviations and their squares are summed from a centre, the mean of a block's first eighth. Its
/// distance from the mean of all is at most sqrt(8) standard deviations, for the eighth's sum of
/// squares is no larger than that of all: so the sums lose next to nothing, however large the mean.
/// What the sum of the deviations is not zero by corrects the centre.
void statistics(const Exec& ex, const BatchNormShape& s, const float* x, float* result) {
  const RowGroup group(s.channels);
  const std::int64_t c = s.channels, block = group.block_rows();
  const std::int64_t blocks = (s.rows + block - 1) / block;
  Doubles parts(size(2 * blocks * c));
  std::vector<std::int64_t> samples(size(blocks), block);
  samples.back() = s.rows - (blocks - 1) * block;
  for_ranges(ex, blocks, 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    Floats sums(size(2 * group.width)), centre(size(c)), centres(size(group.width));
    for (std::int64_t b = first; b < last; ++b) {
      const std::int64_t begin = b * block * c, end = std::min(s.rows, (b + 1) * block) * c;
      const std::int64_t rows = (end - begin) / c, sample = std::max<std::int64_t>(rows / 8, 1);
      double* mean = parts.data() + 2 * b * c;
      double* squares = mean + c;
      channel_sums<1>(
          group, begin, begin + sample * c,
          [=](auto d, std::int64_t i, std::int64_t, auto& acc)
              HWY_ATTR { acc[0] = hn::Add(acc[0], hn::LoadU(d, x + i)); },
          sums.data(), mean);
      for (std::int64_t j = 0; j < c; ++j) {
        centre[size(j)] = static_cast<float>(mean[j] / static_cast<double>(sample));
      }
      group.repeat(centre.data(), centres.data());
      const float* from = centres.data();
      channel_sums<2>(
          group, begin, end,
          [=](auto d, std::int64_t i, std::int64_t k, auto& acc) HWY_ATTR {
            const auto deviation = hn::Sub(hn::LoadU(d, x + i), hn::LoadU(d, from + k));
            acc[0] = hn::Add(acc[0], deviation);
            acc[1] = hn::MulAdd(deviation, deviation, acc[1]);
          },
          sums.data(), mean);
      for (std::int64_t j = 0; j < c; ++j) {
        const double off = mean[j] / static_cast<double>(rows);
        squares[j] -= off * mean[j];
        mean[j] = centre[size(j)] + off;
      }
    }
  });
  merge_statistics(samples, c, parts, result);
}

/// Sums a channel of g and of g (x - mean), in sums[c] and sums[channels + c]. Stores g in
/// `g_copy` and scale g in `dx` on the way, unless they are null; scale may be null with dx.
Doubles sum_gradients(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                      const MaskedGradient& gradient, float* g_copy, const float* scale,
                      float* dx) {
  const RowGroup group(s.channels);
  const std::int64_t c = s.channels, block = group.block_rows();
  const std::int64_t blocks = (s.rows + block - 1) / block;
  const Floats means = group.repeat(mean),
               scales = scale != nullptr ? group.repeat(scale) : Floats{};
  const float *centre = means.data(), *factor = scales.data();
  Doubles parts(size(2 * blocks * c));
  const auto terms = [=](auto d, std::int64_t i, std::int64_t k, auto& acc) HWY_ATTR {
    auto g = hn::LoadU(d, gradient.dy + i);
    if (gradient.y != nullptr) g = relu_masked(g, hn::LoadU(d, gradient.y + i));
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

/// Whether stores to `count` floats from y on go past the caches (non-temporal stores): whole lines
/// that are not read from memory first, of an array so large that the next kernel won't find much
/// of it in a cache: 8 MiB, four times a large level 2 cache.
bool bypasses_caches(const float* y, std::int64_t count) {
  constexpr std::int64_t least_floats = 1 << 21;
  constexpr std::uintptr_t line_bytes = 64;
  return count >= least_floats && reinterpret_cast<std::uintptr_t>(y) % line_bytes == 0;
}

/// y = act((x - mean) scale + shift [+ residual]).
void apply(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
           const float* scale, const float* shift, const float* residual, Activation act,
           float* y) {
  const RowGroup group(s.channels);
  const Floats means = group.repeat(mean), scales = group.repeat(scale),
               shifts = group.repeat(shift);
  const float *m = means.data(), *a = scales.data(), *b = shifts.data();
  const std::int64_t count = s.rows * s.channels;
  const std::int64_t grain = grain_of(group.width) * group.width;
  const bool non_temporal = bypasses_caches(y, count);
  for_ranges(ex, count, grain, [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    sweep(group, begin, end, [=](auto d, std::int64_t i, std::int64_t k) HWY_ATTR {
      auto v = normalise(hn::LoadU(d, x + i), hn::LoadU(d, m + k), hn::LoadU(d, a + k),
                         hn::LoadU(d, b + k));
      if (residual != nullptr) v = hn::Add(v, hn::LoadU(d, residual + i));
      if (act == Activation::relu) v = relu(v);
      // Just whole vectors: Highway would write the whole of a part, too.
      constexpr std::int64_t lanes = hn::MaxLanes(decltype(d)());
      if (lanes == HWY_LANES(float) && non_temporal && i % lanes == 0) {
        hn::Stream(v, d, y + i);
      } else {
        hn::StoreU(v, d, y + i);
      }
    });
    if (non_temporal) hwy::FlushStream();  // before another thread reads them
  });
}

/// dx [+]= scale g + (scaled_coefficient (x - mean) + scaled_constant): the coefficients of
/// batch_norm_gradient_coefficients from the sums of g and of g (x - mean), those of x and 1 with
/// the scale in them. Overwrites dgamma and dbeta.
void combine_gradients(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                       const float* inv_std, const float* gamma, const MaskedGradient& gradient,
                       const Doubles& sums, Write write, float* dx, float* dgamma, float* dbeta,
                       std::int64_t pitch) {
  const RowGroup group(s.channels);
  const std::int64_t c = s.channels;
  const auto rows = static_cast<double>(s.rows);
  Floats scale(size(c)), scaled_coefficient(size(c)), scaled_constant(size(c));
  for (std::int64_t j = 0; j < c; ++j) {
    const double inv = inv_std[j], factor = static_cast<double>(gamma[j]) * inv;
    dbeta[j] = static_cast<float>(sums[size(j)]);
    dgamma[j] = static_cast<float>(sums[size(c + j)] * inv);
    scale[size(j)] = static_cast<float>(factor);
    scaled_coefficient[size(j)] =
        static_cast<float>(-factor * inv * inv * sums[size(c + j)] / rows);
    scaled_constant[size(j)] = static_cast<float>(-factor * sums[size(j)] / rows);
  }
  const Floats means = group.repeat(mean), scales = group.repeat(scale.data()),
               coefficients = group.repeat(scaled_coefficient.data()),
               constants = group.repeat(scaled_constant.data());
  const float *m = means.data(), *a = scales.data(), *b = coefficients.data(),
              *e = constants.data();
  // Element i of g is element j of x and of dx, and of place k in a group.
  const auto combine = [=](auto d, std::int64_t i, std::int64_t j, std::int64_t k) HWY_ATTR
      __attribute__((always_inline)) {
    auto g = hn::LoadU(d, gradient.dy + i);
    if (gradient.y != nullptr) g = relu_masked(g, hn::LoadU(d, gradient.y + i));
    const auto deviation = hn::Sub(hn::LoadU(d, x + j), hn::LoadU(d, m + k));
    const auto mean_part = hn::MulAdd(hn::LoadU(d, b + k), deviation, hn::LoadU(d, e + k));
    auto v = hn::MulAdd(hn::LoadU(d, a + k), g, mean_part);
    if (write == Write::accumulate) v = hn::Add(hn::LoadU(d, dx + j), v);
    hn::StoreU(v, d, dx + j);
  };
  if (pitch == c) {
    const std::int64_t grain = grain_of(group.width) * group.width;
    for_ranges(ex, s.rows * c, grain, [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
      sweep(group, begin, end,
            [&](auto d, std::int64_t i, std::int64_t k) HWY_ATTR { combine(d, i, i, k); });
    });
    return;
  }
  for_ranges(ex, s.rows, grain_of(c), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t row = begin; row < end; ++row) {
      for_lanes(0, c, [&](auto d, std::int64_t k) HWY_ATTR {
        combine(d, row * c + k, row * pitch + k, k);
      });
    }
  });
}

void backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
              const float* mean, const float* inv_std, const float* gamma, const float* dy,
              float* dx, float* dgamma, float* dbeta, float* dresidual) {
  const MaskedGradient gradient{dy, y};
  const Doubles sums = sum_gradients(ex, s, x, mean, gradient, dresidual, nullptr, nullptr);
  // dresidual holds g by now, and may have replaced dy.
  const MaskedGradient again = dresidual != nullptr ? MaskedGradient{dresidual, nullptr} : gradient;
  combine_gradients(ex, s, x, mean, inv_std, gamma, again, sums, Write::overwrite, dx, dgamma,
                    dbeta, s.channels);
}

void eval_backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
                   const float* mean, const Doubles& inv_std, const float* gamma, const float* dy,
                   float* dx, float* dgamma, float* dbeta, float* dresidual) {
  const std::int64_t c = s.channels;
  Floats scale(size(c));
  for (std::int64_t j = 0; j < c; ++j) {
    scale[size(j)] = static_cast<float>(static_cast<double>(gamma[j]) * inv_std[size(j)]);
  }
  const Doubles sums =
      sum_gradients(ex, s, x, mean, MaskedGradient{dy, y}, dresidual, scale.data(), dx);
  for (std::int64_t j = 0; j < c; ++j) {
    dbeta[j] = static_cast<float>(sums[size(j)]);
    dgamma[j] = static_cast<float>(sums[size(c + j)] * inv_std[size(j)]);
  }
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(statistics);
HWY_EXPORT(apply);
HWY_EXPORT(sum_gradients);
HWY_EXPORT(combine_gradients);
HWY_EXPORT(backward);
HWY_EXPORT(eval_backward);

void batch_norm_train(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float eps, float momentum, const float* residual,
                      Activation act, float* y, float* mean, float* inv_std, float* running_mean,
                      float* running_var) {
  check(s);
  const std::int64_t c = s.channels;
  Floats statistics_of_x(size(3 * c)), scale(size(c)), shift(size(c));
  cpu::batch_norm_statistics(ex, s, x, statistics_of_x.data());
  cpu::batch_norm_factors(ex, s, statistics_of_x.data(), gamma, beta, eps, momentum, mean, inv_std,
                          scale.data(), shift.data(), running_mean, running_var);
  cpu::batch_norm_apply(ex, s, x, mean, scale.data(), shift.data(), residual, act, y);
}

void batch_norm_statistics(const Exec& ex, const BatchNormShape& s, const float* x, float* result) {
  check(s);
  TRIFOLD_DISPATCH(statistics)(ex, s, x, result);
}

void batch_norm_apply(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                      const float* scale, const float* shift, const float* residual, Activation act,
                      float* y) {
  check(s);
  TRIFOLD_DISPATCH(apply)(ex, s, x, mean, scale, shift, residual, act, y);
}

void batch_norm_gradient_sums(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* mean, const float* dy, float* g,
                              float* sums, const BatchNormCoefficients* coefficients) {
  check(s);
  const Doubles total =
      TRIFOLD_DISPATCH(sum_gradients)(ex, s, x, mean, MaskedGradient{dy, y}, g, nullptr, nullptr);
  std::copy(total.begin(), total.end(), sums);
  if (coefficients != nullptr) make_coefficients(ex, s, sums, *coefficients);
}

void batch_norm_gradient(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                         const float* inv_std, const float* gamma, const float* g,
                         const float* sums, Write write, float* dx, float* dgamma, float* dbeta,
                         std::int64_t pitch) {
  check(s);
  const std::int64_t row = pitch_of(pitch, s);  // checked before anything is read
  TRIFOLD_DISPATCH(combine_gradients)
  (ex, s, x, mean, inv_std, gamma, MaskedGradient{g, nullptr}, Doubles(sums, sums + 2 * s.channels),
   write, dx, dgamma, dbeta, row);
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
  TRIFOLD_DISPATCH(apply)(ex, s, x, running_mean, scale.data(), beta, residual, act, y);
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
  (ex, s, x, act == Activation::relu ? y : nullptr, running_mean,
   inverse_std(s.channels, running_var, eps), gamma, dy, dx, dgamma, dbeta, dresidual);
}

}  // namespace trifold::kernels::cpu
#endif
