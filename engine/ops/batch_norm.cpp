#include "kernels/batch_norm.h"

#include "engine/ops.h"
#include "engine/ops/batch_norm_gradients.h"
#include "engine/ops/norm_factors.h"
#include "kernels/error.h"

namespace trifold::engine {

Var batch_norm(Tape& tape, const Var& x, const BatchNormState& state, Statistics statistics,
               const Var* residual, kernels::Activation act) {
  check_state(state, x.shape());
  require<ShapeError>(!residual || residual->shape() == x.shape(),
                      "batch_norm of {} with a residual of shape {}", to_string(x.shape()),
                      residual ? to_string(residual->shape()) : "");
  const kernels::BatchNormShape s{x.shape().rows(), x.shape().channels()};
  const kernels::Exec& ex = tape.exec();
  const Var gamma = *state.gamma, beta = *state.beta;
  const float* residual_data = residual ? residual->value.data() : nullptr;
  // Of the residual, the gradient needs just where to go.
  const Var added{Tensor{}, residual ? residual->gradient : nullptr};
  Tensor y = Tensor::empty(x.shape(), x.value.device());
  const Tensor y_of_relu = act == kernels::Activation::relu ? y : Tensor{};

  if (statistics == Statistics::running) {
    kernels::batch_norm_eval(ex, s, x.value.data(), gamma.value.data(), beta.value.data(),
                             state.running_mean.data(), state.running_var.data(), state.eps,
                             residual_data, act, y.data());
    Var result = tape.result(y, {&x, &gamma, &beta, &added});
    tape.record(
        result, [ex, s, x, y = y_of_relu, gamma, beta, added, act, mean = state.running_mean,
                 var = state.running_var, eps = state.eps](const Tensor& dy) {
          BatchNormGradients g(x.shape(), added, dy);
          kernels::batch_norm_eval_backward(ex, s, x.value.data(), y.defined() ? y.data() : nullptr,
                                            mean.data(), var.data(), eps, gamma.value.data(), act,
                                            dy.data(), g.dx.data(), g.dgamma.data(), g.dbeta.data(),
                                            g.dresidual_or_null());
          std::move(g).hand_on(ex, x, gamma, beta, added);
        });
    return result;
  }

  const Tensor mean = Tensor::empty(gamma.shape(), x.value.device());
  const Tensor inv_std = Tensor::empty(gamma.shape(), x.value.device());
  kernels::batch_norm_train(ex, s, x.value.data(), gamma.value.data(), beta.value.data(), state.eps,
                            state.momentum, residual_data, act, y.data(), mean.data(),
                            inv_std.data(), state.running_mean.data(), state.running_var.data());
  Var result = tape.result(y, {&x, &gamma, &beta, &added});
  tape.record(result,
              [ex, s, x, y = y_of_relu, gamma, beta, added, mean, inv_std](const Tensor& dy) {
                BatchNormGradients g(x.shape(), added, dy);
                g.compute(ex, s, x.value, y, mean, inv_std, gamma.value, dy);
                std::move(g).hand_on(ex, x, gamma, beta, added);
              });
  return result;
}

}  // namespace trifold::engine
