/// The gradients of a batch norm whose backward pass is one kernel.
#pragma once

#include "engine/tape.h"
#include "kernels/batch_norm.h"

namespace trifold::engine {

struct BatchNormGradients {
  Tensor dx, dgamma, dbeta, dresidual;  ///< dresidual is undefined where none is wanted

  /// Room for them; that of the residual takes the place of dy where nobody else reads it.
  BatchNormGradients(const Shape& x, const Var& residual, const Tensor& dy)
      : dx(Tensor::empty(x, dy.device())),
        dgamma(Tensor::empty({x.channels()}, dy.device())),
        dbeta(Tensor::empty({x.channels()}, dy.device())) {
    if (residual.requires_grad()) dresidual = dy.unique() ? dy : Tensor::empty(x, dy.device());
  }

  float* dresidual_or_null() const { return dresidual.defined() ? dresidual.data() : nullptr; }

  /// kernels::batch_norm_backward; y is undefined without ReLU.
  void compute(const kernels::Exec& ex, const kernels::BatchNormShape& s, const Tensor& x,
               const Tensor& y, const Tensor& mean, const Tensor& inv_std, const Tensor& gamma,
               const Tensor& dy) const {
    const bool relu = y.defined();
    kernels::batch_norm_backward(
        ex, s, x.data(), relu ? y.data() : nullptr, mean.data(), inv_std.data(), gamma.data(),
        relu ? kernels::Activation::relu : kernels::Activation::none, dy.data(), dx.data(),
        dgamma.data(), dbeta.data(), dresidual_or_null());
  }

  void hand_on(const kernels::Exec& ex, const Var& x, const Var& gamma, const Var& beta,
               const Var& residual) && {
    if (x.requires_grad()) x.gradient->add(ex, std::move(dx));
    if (gamma.requires_grad()) gamma.gradient->add(ex, std::move(dgamma));
    if (beta.requires_grad()) beta.gradient->add(ex, std::move(dbeta));
    if (residual.requires_grad()) residual.gradient->add(ex, std::move(dresidual));
  }
};

}  // namespace trifold::engine
