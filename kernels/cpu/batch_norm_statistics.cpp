#include "kernels/cpu/batch_norm_statistics.h"

#include <cmath>
#include <numeric>

#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {

void merge_statistics(std::span<const std::int64_t> samples, std::int64_t channels,
                      const Doubles& parts, float* statistics) {
  const auto all =
      static_cast<double>(std::accumulate(samples.begin(), samples.end(), std::int64_t{0}));
  const auto count = size(channels);
  // Two passes, for the squares need the mean of all.
  Doubles centre(count, 0.0), squares(count, 0.0);
  const double* part = parts.data();
  for (const std::int64_t rows : samples) {
    const double weight = static_cast<double>(rows) / all;
    for (std::size_t c = 0; c < count; ++c) centre[c] += weight * part[c];
    part += 2 * channels;
  }
  part = parts.data();
  for (const std::int64_t rows : samples) {
    const auto weight = static_cast<double>(rows);
    for (std::size_t c = 0; c < count; ++c) {
      const double off = part[c] - centre[c];
      squares[c] += part[count + c] + weight * off * off;
    }
    part += 2 * channels;
  }
  for (std::size_t c = 0; c < count; ++c) {
    statistics[c] = static_cast<float>(centre[c]);
    statistics[count + c] = static_cast<float>(centre[c] - static_cast<double>(statistics[c]));
    statistics[2 * count + c] = static_cast<float>(squares[c] / all);
  }
}

Doubles inverse_std(std::int64_t channels, const float* var, float eps) {
  Doubles result(size(channels));
  for (std::int64_t j = 0; j < channels; ++j) {
    result[size(j)] = 1 / std::sqrt(static_cast<double>(var[j]) + static_cast<double>(eps));
  }
  return result;
}

void batch_norm_factors(const Exec& /*ex*/, const BatchNormShape& s, const float* statistics,
                        const float* gamma, const float* beta, float eps, float momentum,
                        float* mean, float* inv_std, float* scale, float* shift,
                        float* running_mean, float* running_var) {
  check(s);
  const std::int64_t channels = s.channels;
  const auto rows = static_cast<double>(s.rows), m = static_cast<double>(momentum);
  const Doubles inverse = inverse_std(channels, statistics + 2 * channels, eps);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double mean_low = statistics[channels + c], var = statistics[2 * channels + c];
    const double factor = static_cast<double>(gamma[c]) * inverse[size(c)];
    mean[c] = statistics[c];
    inv_std[c] = static_cast<float>(inverse[size(c)]);
    scale[c] = static_cast<float>(factor);
    shift[c] = static_cast<float>(beta[c] - mean_low * factor);
    if (running_mean == nullptr) continue;
    // A single sample has no unbiased variance: its biased one, 0, stands in.
    const double unbiased = s.rows > 1 ? var * rows / (rows - 1) : 0.0;
    running_mean[c] =
        static_cast<float>((1 - m) * running_mean[c] + m * (statistics[c] + mean_low));
    running_var[c] = static_cast<float>((1 - m) * running_var[c] + m * unbiased);
  }
}

void batch_norm_gradient_coefficients(const Exec& /*ex*/, const BatchNormShape& s,
                                      const float* inv_std, const float* gamma, const float* sums,
                                      float* scale, float* coefficient, float* constant,
                                      float* dgamma, float* dbeta) {
  check(s);
  const auto rows = static_cast<double>(s.rows);
  for (std::int64_t c = 0; c < s.channels; ++c) {
    const double inv = inv_std[c], of_g = sums[c], of_product = sums[s.channels + c];
    scale[c] = static_cast<float>(gamma[c] * inv);
    coefficient[c] = static_cast<float>(-inv * inv * of_product / rows);
    constant[c] = static_cast<float>(-of_g / rows);
    dgamma[c] = static_cast<float>(inv * of_product);
    dbeta[c] = sums[c];
  }
}

void make_factors(const Exec& ex, const BatchNormShape& s, const float* statistics,
                  const BatchNormFactors& f) {
  cpu::batch_norm_factors(ex, s, statistics, f.gamma, f.beta, f.eps, f.momentum, f.mean, f.inv_std,
                          f.scale, f.shift, f.running_mean, f.running_var);
}

void make_coefficients(const Exec& ex, const BatchNormShape& s, const float* sums,
                       const BatchNormCoefficients& k) {
  cpu::batch_norm_gradient_coefficients(ex, s, k.inv_std, k.gamma, sums, k.scale, k.coefficient,
                                        k.constant, k.dgamma, k.dbeta);
}

}  // namespace trifold::kernels::cpu
