/// What batch norms work channel by channel, once the passes over the samples are done.
#pragma once

#include <span>

#include "kernels/batch_norm.h"
#include "kernels/cpu/batch_norm_types.h"

namespace trifold::kernels::cpu {

/// statistics (3, channels), as batch_norm_statistics gives them, of all samples from those of
/// parts: part p has samples[p] of them with mean parts[2 p channels + c] and sum of squared
/// deviations parts[(2 p + 1) channels + c].
void merge_statistics(std::span<const std::int64_t> samples, std::int64_t channels,
                      const Doubles& parts, float* statistics);

/// batch_norm_factors of what `f` points to.
void make_factors(const Exec& ex, const BatchNormShape& s, const float* statistics,
                  const BatchNormFactors& f);

/// batch_norm_gradient_coefficients of what `k` points to.
void make_coefficients(const Exec& ex, const BatchNormShape& s, const float* sums,
                       const BatchNormCoefficients& k);

/// 1 / sqrt(var + eps).
Doubles inverse_std(std::int64_t channels, const float* var, float eps);

}  // namespace trifold::kernels::cpu
