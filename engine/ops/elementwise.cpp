#include "kernels/elementwise.h"

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

namespace {

// A map whose gradient can be told from its result.
Var map(Tape& tape, const Var& x, decltype(kernels::relu_forward)* forward,
        decltype(kernels::relu_backward)* backward) {
  Tensor y = Tensor::empty(x.shape(), x.value.device());
  forward(tape.exec(), x.value.size(), x.value.data(), y.data());
  Var result = tape.result(y, {&x});
  tape.record(result, [ex = tape.exec(), y, dx_sum = x.gradient, backward](const Tensor& dy) {
    Tensor dx = dy.unique() ? dy : Tensor::empty(dy.shape(), dy.device());
    backward(ex, dy.size(), y.data(), dy.data(), dx.data());
    dx_sum->add(ex, std::move(dx));
  });
  return result;
}

}  // namespace

Var relu(Tape& tape, const Var& x) {
  return map(tape, x, kernels::relu_forward, kernels::relu_backward);
}

Var relu6(Tape& tape, const Var& x) {
  return map(tape, x, kernels::relu6_forward, kernels::relu6_backward);
}

Var add(Tape& tape, const Var& a, const Var& b) {
  require<ShapeError>(a.shape() == b.shape(), "add of {} and {}", to_string(a.shape()),
                      to_string(b.shape()));
  Tensor y = Tensor::empty(a.shape(), a.value.device());
  kernels::add(tape.exec(), y.size(), a.value.data(), b.value.data(), y.data());
  Var result = tape.result(std::move(y), {&a, &b});
  tape.record(result, [ex = tape.exec(), a = a.gradient, b = b.gradient](Tensor dy) {
    if (a) a->add(ex, dy);
    if (b) b->add(ex, std::move(dy));
  });
  return result;
}

}  // namespace trifold::engine
