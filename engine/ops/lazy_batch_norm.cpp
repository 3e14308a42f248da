#include <optional>

#include "engine/fused_ops.h"
#include "engine/ops/norm_factors.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

/// Of a norm whose result has its first channels.
Shape normed_shape(const Shape& x, const BatchNormState& state, Result result) {
  const std::int64_t channels = state.gamma->shape().size();
  if (result == Result::stored || x.rank() != 4 || x[3] < channels) return x;
  return {x[0], x[1], x[2], channels};
}

/// The gradient closure. Of x and the residual it knows just where their gradients go.
struct NormGradient {
  kernels::Exec ex;
  std::shared_ptr<LazyBatchNorm> norm;
  Var x, gamma, beta, residual;
  Tensor a;  ///< the result, where a ReLU made it
  std::shared_ptr<DeferredGradient> deferred;

  void operator()(Tensor g) const {
    if (!norm->sums.defined()) mask_and_sum(g);
    Tensor dgamma, dbeta;
    if (residual.requires_grad()) residual.gradient->add(ex, g);
    if (norm->defers) {
      NormCoefficients& k = norm->coefficients;
      *deferred = {norm->x, norm->factors.mean, k.scale, k.coefficient, k.constant};
      dgamma = std::move(k.dgamma);
      dbeta = std::move(k.dbeta);
      x.gradient->add(ex, std::move(g));
    } else {
      dgamma = per_channel();
      dbeta = per_channel();
      evaluate(g, dgamma, dbeta);
    }
    if (gamma.requires_grad()) gamma.gradient->add(ex, std::move(dgamma));
    if (beta.requires_grad()) beta.gradient->add(ex, std::move(dbeta));
  }

 private:
  kernels::BatchNormShape shape() const { return {norm->shape.rows(), norm->shape.channels()}; }
  Tensor per_channel() const { return Tensor::empty({norm->shape.channels()}, norm->x.device()); }

  /// What a convolution does for its norm, where others have given a its gradient.
  void mask_and_sum(Tensor& g) const {
    const bool masked = a.defined();
    Tensor to = masked && !g.unique() ? Tensor::empty(norm->shape, g.device()) : g;
    norm->sums = Tensor::empty({2, norm->shape.channels()}, g.device());
    std::optional<kernels::BatchNormCoefficients> coefficients;
    if (norm->defers) coefficients = fresh_coefficients(*norm);
    kernels::batch_norm_gradient_sums(ex, shape(), norm->x.data(), masked ? a.data() : nullptr,
                                      norm->factors.mean.data(), g.data(),
                                      masked ? to.data() : nullptr, norm->sums.data(),
                                      coefficients ? &*coefficients : nullptr);
    g = std::move(to);
  }

  /// Adds the gradient of x to what has arrived there. Where x wants none it is dropped.
  void evaluate(const Tensor& g, const Tensor& dgamma, const Tensor& dbeta) const {
    const auto fresh = [&] { return room_for_dx(g); };
    auto [dx, write] = x.requires_grad()
                           ? x.gradient->take_destination(fresh)
                           : Gradient::Destination{fresh(), kernels::Write::overwrite};
    kernels::batch_norm_gradient(ex, shape(), norm->x.data(), norm->factors.mean.data(),
                                 norm->factors.inv_std.data(), gamma.value.data(), g.data(),
                                 norm->sums.data(), write, dx.data(), dgamma.data(), dbeta.data(),
                                 dx.shape().channels());
    if (x.requires_grad()) x.gradient->add(ex, std::move(dx));
  }

  /// That of g, where nothing else reads it; zeros where x has more channels.
  Tensor room_for_dx(const Tensor& g) const {
    const Shape& shape = norm->x.shape();
    if (shape != norm->shape) return Tensor::zeros(shape, g.device());
    return g.unique() ? g : Tensor::empty(shape, g.device());
  }
};

}  // namespace

LazyValue lazy_batch_norm(Tape& tape, const Var& x, const BatchStatistics& of_x,
                          const BatchNormState& state, const Var* residual, kernels::Activation act,
                          Result result) {
  const Shape shape = normed_shape(x.shape(), state, result);
  const bool stored = result == Result::stored;
  check_state(state, shape);
  require<ShapeError>(!residual || (stored && residual->shape() == shape),
                      "batch_norm of {} with a residual of shape {}", to_string(x.shape()),
                      residual ? to_string(residual->shape()) : "");
  const kernels::Exec& ex = tape.exec();
  const auto norm = std::make_shared<LazyBatchNorm>(LazyBatchNorm{
      .x = x.value,
      .shape = shape,
      .factors =
          of_x.factors.mean.defined() ? of_x.factors : norm_factors(ex, shape, of_x.values, state),
      .act = act,
      .gamma = state.gamma->value,
      .defers = of_x.gradient != nullptr && x.requires_grad()});
  Tensor a;
  if (stored) {
    const NormFactors& f = norm->factors;
    a = Tensor::empty(shape, x.value.device());
    kernels::batch_norm_apply(ex, {shape.rows(), shape.channels()}, x.value.data(), f.mean.data(),
                              f.scale.data(), f.shift.data(),
                              residual ? residual->value.data() : nullptr, act, a.data());
  }
  const Var from{Tensor{}, x.gradient}, added{Tensor{}, residual ? residual->gradient : nullptr};
  const Var &gamma = *state.gamma, &beta = *state.beta;
  LazyValue normed{tape.result(a, {&from, &gamma, &beta, &added}), norm};
  tape.record(normed.a,
              NormGradient{ex, norm, from, gamma, beta, added,
                           act == kernels::Activation::relu ? a : Tensor{}, of_x.gradient});
  return normed;
}

}  // namespace trifold::engine
