#include "kernels/sigmoid.h"

#include "engine/ops.h"

namespace trifold::engine {

Var sigmoid(Tape& tape, const Var& x, kernels::SigmoidKind kind) {
  Tensor y = Tensor::empty(x.shape(), x.value.device());
  kernels::sigmoid_forward(tape.exec(), kind, y.size(), x.value.data(), y.data());
  Var result = tape.result(std::move(y), {&x});
  tape.record(result, [ex = tape.exec(), kind, x = x.value, dx_sum = x.gradient](const Tensor& dy) {
    Tensor dx = dy.unique() ? dy : Tensor::empty(dy.shape(), dy.device());
    kernels::sigmoid_backward(ex, kind, dy.size(), x.data(), dy.data(), dx.data());
    dx_sum->add(ex, std::move(dx));
  });
  return result;
}

}  // namespace trifold::engine
