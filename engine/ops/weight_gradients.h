/// What the layers with weights share.
#pragma once

#include "engine/tape.h"

namespace trifold::engine {

/// Hands on the gradients of a layer's weights and bias where they are wanted. `compute(dw, db)`
/// fills both, db being null where the bias, which may be a constant without a value, needs none.
template <class Compute>
void add_weight_gradients(const kernels::Exec& ex, const Var& w, const Var& bias,
                          const Compute& compute) {
  if (!w.requires_grad() && !bias.requires_grad()) return;
  Tensor dw = Tensor::empty(w.shape(), w.value.device());
  Tensor db;
  if (bias.requires_grad()) db = Tensor::empty(bias.shape(), bias.value.device());
  compute(dw.data(), db.defined() ? db.data() : nullptr);
  if (w.requires_grad()) w.gradient->add(ex, std::move(dw));
  if (db.defined()) bias.gradient->add(ex, std::move(db));
}

/// Hands on the gradient of what a layer reads, where it is wanted. `compute(write, dx)` fills dx or,
/// where one has arrived already, as at a residual add, adds to it where it lies.
template <class Compute>
void add_input_gradient(const kernels::Exec& ex, const Var& x, const Compute& compute) {
  if (!x.requires_grad()) return;
  auto [dx, write] =
      x.gradient->take_destination([&] { return Tensor::empty(x.shape(), x.value.device()); });
  compute(write, dx.data());
  x.gradient->add(ex, std::move(dx));
}

}  // namespace trifold::engine
