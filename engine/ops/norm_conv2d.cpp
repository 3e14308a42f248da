#include "kernels/norm_conv2d.h"

#include "engine/ops.h"
#include "engine/ops/conv2d_shape.h"
#include "engine/ops/norm_factors.h"

namespace trifold::engine {
namespace {

/// Of the first channels of an x that has `pitch`.
kernels::InputNorm input_norm(const NormFactors& f, kernels::Activation act, std::int64_t pitch) {
  return {f.mean.data(), f.scale.data(), f.shift.data(), act, pitch};
}

/// What a convolution with weights w reads of x: its first channels.
Shape read_of(const Shape& x, const Shape& w) {
  if (x.rank() != 4 || w.rank() != 4 || x[3] < w[2]) return x;
  return {x[0], x[1], x[2], w[2]};
}

}  // namespace

Var norm_conv2d(Tape& tape, const Var& x, const Tensor& moments_of_x, const BatchNormState& state,
                kernels::Activation act, const Var& w, const ConvGeometry& g, Tensor* moments) {
  const Shape read = read_of(x.shape(), w.shape());
  const kernels::Conv2dShape s = conv2d_shape(read, w.shape(), nullptr, g);
  check_state(state, read);
  const kernels::Exec& ex = tape.exec();
  const Device device = x.value.device();
  const NormFactors factors = norm_factors(ex, read, moments_of_x, state);
  const kernels::InputNorm norm = input_norm(factors, act, x.shape()[3]);
  Tensor y = Tensor::empty({s.n, s.p(), s.q(), s.k}, device);
  if (moments != nullptr) *moments = Tensor::empty({3, s.k}, device);
  kernels::norm_conv2d_forward(ex, s, x.value.data(), &norm, w.value.data(), y.data(),
                               moments != nullptr ? moments->data() : nullptr);

  const Var gamma = *state.gamma, beta = *state.beta;
  Var result = tape.result(std::move(y), {&x, &w, &gamma, &beta});
  tape.record(result, [ex, s, x, read, w, gamma, beta, factors, act](const Tensor& dy) {
    const kernels::InputNorm again = input_norm(factors, act, x.shape()[3]);
    const Device on = dy.device();
    if (w.requires_grad()) {
      Tensor dw = Tensor::empty(w.shape(), on);
      kernels::norm_conv2d_backward_weight(ex, s, x.value.data(), again, dy.data(), dw.data());
      w.gradient->add(ex, std::move(dw));
    }
    if (!x.requires_grad() && !gamma.requires_grad() && !beta.requires_grad()) return;
    Tensor gradient = Tensor::empty(read, on), sums = Tensor::empty({2, s.c}, on);
    kernels::norm_conv2d_backward_data(ex, s, dy.data(), w.value.data(), x.value.data(), again,
                                       gradient.data(), sums.data());
    // A gradient of x that has already arrived is added to where it lies.
    Tensor dx = x.requires_grad() ? x.gradient->sum() : Tensor{};
    const bool arrived = dx.defined();
    if (!arrived) dx = read == x.shape() ? gradient : Tensor::zeros(x.shape(), on);
    Tensor dgamma = Tensor::empty(gamma.shape(), on), dbeta = Tensor::empty(beta.shape(), on);
    kernels::batch_norm_gradient(ex, {s.n * s.h * s.w, s.c}, x.value.data(), factors.mean.data(),
                                 factors.inv_std.data(), gamma.value.data(), gradient.data(),
                                 sums.data(),
                                 arrived ? kernels::Write::accumulate : kernels::Write::overwrite,
                                 dx.data(), dgamma.data(), dbeta.data(), x.shape()[3]);
    if (x.requires_grad() && !arrived) x.gradient->add(ex, std::move(dx));
    if (gamma.requires_grad()) gamma.gradient->add(ex, std::move(dgamma));
    if (beta.requires_grad()) beta.gradient->add(ex, std::move(dbeta));
  });
  return result;
}

}  // namespace trifold::engine
