#include "kernels/batch_norm.h"

#include "engine/ops.h"
#include "engine/ops/norm_factors.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

// The gradients that a batch norm hands on; `residual` is undefined where there is none to give.
struct Gradients {
  Tensor dx, dgamma, dbeta, dresidual;
};

Gradients allocate_gradients(const Var& x, const Var& residual, const Tensor& dy) {
  const Device device = dy.device();
  const Shape channels{x.shape().channels()};
  Gradients g{Tensor::empty(x.shape(), device), Tensor::empty(channels, device),
              Tensor::empty(channels, device), Tensor{}};
  // The gradient of the residual takes the place of dy where nothing else needs that.
  if (residual.requires_grad()) g.dresidual = dy.unique() ? dy : Tensor::empty(x.shape(), device);
  return g;
}

void hand_on(const kernels::Exec& ex, Gradients g, const Var& x, const Var& gamma, const Var& beta,
             const Var& residual) {
  if (x.requires_grad()) x.gradient->add(ex, std::move(g.dx));
  if (gamma.requires_grad()) gamma.gradient->add(ex, std::move(g.dgamma));
  if (beta.requires_grad()) beta.gradient->add(ex, std::move(g.dbeta));
  if (residual.requires_grad()) residual.gradient->add(ex, std::move(g.dresidual));
}

float* data_or_null(const Tensor& t) { return t.defined() ? t.data() : nullptr; }

}  // namespace

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
    tape.record(result, [ex, s, x, y = y_of_relu, gamma, beta, added, act,
                         mean = state.running_mean, var = state.running_var,
                         eps = state.eps](const Tensor& dy) {
      Gradients g = allocate_gradients(x, added, dy);
      kernels::batch_norm_eval_backward(
          ex, s, x.value.data(), data_or_null(y), mean.data(), var.data(), eps, gamma.value.data(),
          act, dy.data(), g.dx.data(), g.dgamma.data(), g.dbeta.data(), data_or_null(g.dresidual));
      hand_on(ex, std::move(g), x, gamma, beta, added);
    });
    return result;
  }

  const Tensor mean = Tensor::empty(gamma.shape(), x.value.device());
  const Tensor inv_std = Tensor::empty(gamma.shape(), x.value.device());
  kernels::batch_norm_train(ex, s, x.value.data(), gamma.value.data(), beta.value.data(), state.eps,
                            state.momentum, residual_data, act, y.data(), mean.data(),
                            inv_std.data(), state.running_mean.data(), state.running_var.data());
  Var result = tape.result(y, {&x, &gamma, &beta, &added});
  tape.record(result, [ex, s, x, y = y_of_relu, gamma, beta, added, act, mean,
                       inv_std](const Tensor& dy) {
    Gradients g = allocate_gradients(x, added, dy);
    kernels::batch_norm_backward(ex, s, x.value.data(), data_or_null(y), mean.data(),
                                 inv_std.data(), gamma.value.data(), act, dy.data(), g.dx.data(),
                                 g.dgamma.data(), g.dbeta.data(), data_or_null(g.dresidual));
    hand_on(ex, std::move(g), x, gamma, beta, added);
  });
  return result;
}

}  // namespace trifold::engine
