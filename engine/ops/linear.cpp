#include "kernels/linear.h"

#include "engine/ops.h"
#include "engine/ops/weight_gradients.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

Var linear(Tape& tape, const Var& x, const Var& w, const Var* b) {
  const Shape &xs = x.shape(), &ws = w.shape();
  require<ShapeError>(
      xs.rank() == 2 && ws.rank() == 2 && xs[1] == ws[0] && (!b || b->shape() == Shape{ws[1]}),
      "linear of an input {} with weights {}", to_string(xs), to_string(ws));
  const kernels::LinearShape s{xs[0], xs[1], ws[1]};
  Tensor y = Tensor::empty({s.n, s.out}, x.value.device());
  kernels::linear_forward(tape.exec(), s, x.value.data(), w.value.data(),
                          b ? b->value.data() : nullptr, y.data());

  const Var none = Var::constant({});
  Var result = tape.result(std::move(y), {&x, &w, b ? b : &none});
  tape.record(result, [ex = tape.exec(), s, x, w, bias = b ? *b : none](const Tensor& dy) {
    add_weight_gradients(ex, w, bias, [&](float* dw, float* db) {
      kernels::linear_backward_weight(ex, s, x.value.data(), dy.data(), dw, db);
    });
    if (x.requires_grad()) {
      Tensor dx = Tensor::empty(x.shape(), dy.device());
      kernels::linear_backward_data(ex, s, dy.data(), w.value.data(), dx.data());
      x.gradient->add(ex, std::move(dx));
    }
  });
  return result;
}

}  // namespace trifold::engine
