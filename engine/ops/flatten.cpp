#include "kernels/flatten.h"

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

Var flatten(Tape& tape, const Var& x) {
  const Shape xs = x.shape();
  require<ShapeError>(xs.rank() == 4, "a flattening of a tensor of shape {}", to_string(xs));
  const kernels::FlattenShape s{xs[0], xs[1] * xs[2], xs[3]};
  Tensor y = Tensor::empty({s.n, s.c * s.pixels}, x.value.device());
  kernels::flatten_forward(tape.exec(), s, x.value.data(), y.data());
  Var result = tape.result(std::move(y), {&x});
  tape.record(result, [ex = tape.exec(), s, xs, dx_sum = x.gradient](const Tensor& dy) {
    Tensor dx = Tensor::empty(xs, dy.device());
    kernels::flatten_backward(ex, s, dy.data(), dx.data());
    dx_sum->add(ex, std::move(dx));
  });
  return result;
}

}  // namespace trifold::engine
