#include <algorithm>
#include <span>
#include <vector>

#include "engine/ops.h"
#include "engine/ops/norm_factors.h"
#include "kernels/collective.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

// The mean over the ranks of numbers that each has computed from as many samples.
std::vector<double> mean_over(const kernels::Collective& group, std::vector<double> values) {
  group.sum(std::span<double>(values));
  for (double& v : values) v /= group.ranks();
  return values;
}

// Statistics (3,c) of the samples of all ranks, from those of each, as kernels/batch_norm.h has them:
// the variance is the mean of the ranks' own and that of their means around the common one.
Tensor merged_statistics(const kernels::Collective& group, const Tensor& own) {
  const Tensor host = own.to(Device{});
  const auto channels = static_cast<std::size_t>(host.shape()[1]);
  const float *high = host.data(), *low = high + channels, *variance = low + channels;
  std::vector<double> means(channels);
  for (std::size_t c = 0; c < channels; ++c) means[c] = static_cast<double>(high[c]) + low[c];
  const std::vector<double> common = mean_over(group, means);
  std::vector<double> spread(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    spread[c] = variance[c] + (means[c] - common[c]) * (means[c] - common[c]);
  }
  const std::vector<double> variances = mean_over(group, spread);
  Tensor merged = Tensor::empty(host.shape());
  float* const to = merged.data();
  for (std::size_t c = 0; c < channels; ++c) {
    to[c] = static_cast<float>(common[c]);
    to[channels + c] = static_cast<float>(common[c] - to[c]);
    to[2 * channels + c] = static_cast<float>(variances[c]);
  }
  return merged.to(own.device());
}

Tensor mean_over(const kernels::Collective& group, const Tensor& own) {
  const Tensor host = own.to(Device{});
  const auto values = host.values();
  const std::vector<double> mean =
      mean_over(group, std::vector<double>(values.begin(), values.end()));
  Tensor result = Tensor::empty(host.shape());
  std::ranges::transform(mean, result.data(), [](double v) { return static_cast<float>(v); });
  return result.to(own.device());
}

}  // namespace

Var synchronised_batch_norm(Tape& tape, const Var& x, const BatchNormState& state,
                            const kernels::Collective& group, const Var* residual,
                            kernels::Activation act) {
  check_state(state, x.shape());
  require<ShapeError>(!residual || residual->shape() == x.shape(),
                      "synchronised_batch_norm of {} with a residual of shape {}",
                      to_string(x.shape()), residual ? to_string(residual->shape()) : "");
  const kernels::BatchNormShape s{x.shape().rows(), x.shape().channels()};
  const kernels::Exec& ex = tape.exec();
  const Device device = x.value.device();
  const Var gamma = *state.gamma, beta = *state.beta;
  const Var added{Tensor{}, residual ? residual->gradient : nullptr};
  const Shape of_all{s.rows * group.ranks(), s.channels};
  const NormFactors f =
      norm_factors(ex, of_all, merged_statistics(group, batch_statistics(ex, x.value)), state);
  Tensor y = Tensor::empty(x.shape(), device);
  kernels::batch_norm_apply(ex, s, x.value.data(), f.mean.data(), f.scale.data(), f.shift.data(),
                            residual ? residual->value.data() : nullptr, act, y.data());
  const Tensor y_of_relu = act == kernels::Activation::relu ? y : Tensor{};
  Var result = tape.result(y, {&x, &gamma, &beta, &added});
  tape.record(result, [ex, s, x, y = y_of_relu, gamma, beta, added, f, &group,
                       device](const Tensor& dy) {
    Tensor g = Tensor::empty(x.shape(), device), sums = Tensor::empty({2, s.channels}, device);
    kernels::batch_norm_gradient_sums(ex, s, x.value.data(), y.defined() ? y.data() : nullptr,
                                      f.mean.data(), dy.data(), g.data(), sums.data());
    // What gamma and beta get is of this rank's samples, as all gradients of parameters are.
    const Shape channels{s.channels};
    Tensor dgamma = Tensor::empty(channels, device), dbeta = Tensor::empty(channels, device);
    const Tensor unused = Tensor::empty({3, s.channels}, device);
    kernels::batch_norm_gradient_coefficients(
        ex, s, f.inv_std.data(), gamma.value.data(), sums.data(), unused.data(),
        unused.data() + s.channels, unused.data() + 2 * s.channels, dgamma.data(), dbeta.data());
    // The samples of all ranks move the statistics that those of this one are normalised by. The
    // kernel divides by this rank's samples.
    const Tensor mean_sums = mean_over(group, sums);
    Tensor dx = Tensor::empty(x.shape(), device);
    kernels::batch_norm_gradient(ex, s, x.value.data(), f.mean.data(), f.inv_std.data(),
                                 gamma.value.data(), g.data(), mean_sums.data(),
                                 kernels::Write::overwrite, dx.data(), unused.data(),
                                 unused.data() + s.channels);
    if (x.requires_grad()) x.gradient->add(ex, std::move(dx));
    if (gamma.requires_grad()) gamma.gradient->add(ex, std::move(dgamma));
    if (beta.requires_grad()) beta.gradient->add(ex, std::move(dbeta));
    if (added.requires_grad()) added.gradient->add(ex, std::move(g));
  });
  return result;
}

}  // namespace trifold::engine
