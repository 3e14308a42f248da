#include "engine/ops/norm_factors.h"

#include "kernels/runtime/error.h"

namespace trifold::engine {

void check_state(const BatchNormState& state, const Shape& x) {
  const Shape channels{x.channels()};
  require<ShapeError>(
      state.gamma->shape() == channels && state.beta->shape() == channels &&
          state.running_mean.shape() == channels && state.running_var.shape() == channels,
      "batch_norm of {} with {} channels of scales", to_string(x), state.gamma->shape().size());
}

Tensor batch_statistics(const kernels::Exec& ex, const Tensor& x) {
  const std::int64_t c = x.shape().channels();
  Tensor statistics = Tensor::empty({3, c}, x.device());
  kernels::batch_norm_statistics(ex, {x.shape().rows(), c}, x.data(), statistics.data());
  return statistics;
}

NormFactors fresh_factors(const Shape& x, Device device) {
  const auto fresh = [&] { return Tensor::empty({x.channels()}, device); };
  return {fresh(), fresh(), fresh(), fresh()};
}

kernels::BatchNormFactors factors_to(const NormFactors& f, const BatchNormState& state) {
  return {state.gamma->value.data(),
          state.beta->value.data(),
          state.eps,
          state.momentum,
          f.mean.data(),
          f.inv_std.data(),
          f.scale.data(),
          f.shift.data(),
          state.running_mean.data(),
          state.running_var.data()};
}

kernels::BatchNormCoefficients fresh_coefficients(LazyBatchNorm& norm) {
  const auto fresh = [&] { return Tensor::empty({norm.shape.channels()}, norm.x.device()); };
  NormCoefficients& k = norm.coefficients = {fresh(), fresh(), fresh(), fresh(), fresh()};
  return {norm.factors.inv_std.data(), norm.gamma.data(), k.scale.data(), k.coefficient.data(),
          k.constant.data(),           k.dgamma.data(),   k.dbeta.data()};
}

NormFactors norm_factors(const kernels::Exec& ex, const Shape& x, const Tensor& statistics,
                         const BatchNormState& state) {
  const Shape channels{x.channels()};
  require<ShapeError>(statistics.shape() == Shape{3, channels[0]},
                      "batch_norm of {} with statistics of shape {}", to_string(x),
                      to_string(statistics.shape()));
  NormFactors factors = fresh_factors(x, statistics.device());
  const kernels::BatchNormFactors f = factors_to(factors, state);
  kernels::batch_norm_factors(ex, {x.rows(), channels[0]}, statistics.data(), f.gamma, f.beta,
                              f.eps, f.momentum, f.mean, f.inv_std, f.scale, f.shift,
                              f.running_mean, f.running_var);
  return factors;
}

}  // namespace trifold::engine
