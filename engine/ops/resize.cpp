#include "kernels/resize.h"

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

Var resize(Tape& tape, const Var& x, std::int64_t height, std::int64_t width,
           kernels::ResizeFilter filter) {
  const Shape& xs = x.shape();
  require<ShapeError>(xs.rank() == 4, "resize of a tensor of shape {}", to_string(xs));
  if (xs[1] == height && xs[2] == width) return x;
  const kernels::ResizeShape s{xs[0], xs[1], xs[2], height, width, xs[3]};
  Tensor y = Tensor::empty({s.n, height, width, s.c}, x.value.device());
  kernels::resize_forward(tape.exec(), s, filter, x.value.data(), y.data());
  Var result = tape.result(std::move(y), {&x});
  tape.record(result,
              [ex = tape.exec(), s, filter, shape = xs, dx_sum = x.gradient](const Tensor& dy) {
                Tensor dx = Tensor::empty(shape, dy.device());
                kernels::resize_backward(ex, s, filter, dy.data(), dx.data());
                dx_sum->add(ex, std::move(dx));
              });
  return result;
}

}  // namespace trifold::engine
