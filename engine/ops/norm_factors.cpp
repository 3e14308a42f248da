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

NormFactors norm_factors(const kernels::Exec& ex, const Shape& x, const Tensor& statistics,
                         const BatchNormState& state) {
  const Shape channels{x.channels()};
  require<ShapeError>(statistics.shape() == Shape{3, channels[0]},
                      "batch_norm of {} with statistics of shape {}", to_string(x),
                      to_string(statistics.shape()));
  const auto fresh = [&] { return Tensor::empty(channels, statistics.device()); };
  NormFactors f{fresh(), fresh(), fresh(), fresh()};
  kernels::batch_norm_factors(ex, {x.rows(), channels[0]}, statistics.data(),
                              state.gamma->value.data(), state.beta->value.data(), state.eps,
                              state.momentum, f.mean.data(), f.inv_std.data(), f.scale.data(),
                              f.shift.data(), state.running_mean.data(), state.running_var.data());
  return f;
}

}  // namespace trifold::engine
