#include "kernels/pool.h"

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

kernels::PoolShape pool_shape(const Shape& x, const PoolGeometry& g) {
  require<ShapeError>(x.rank() == 4, "a pool of a tensor of shape {}", to_string(x));
  const kernels::PoolShape s{x[0],       x[1],       x[2],       x[3],    g.window_h,
                             g.window_w, g.stride_h, g.stride_w, g.pad_h, g.pad_w};
  check(s);
  return s;
}

}  // namespace

Var max_pool(Tape& tape, const Var& x, const PoolGeometry& geometry) {
  const kernels::PoolShape s = pool_shape(x.shape(), geometry);
  const Shape out{s.n, s.p(), s.q(), s.c};
  const bool needs_argmax = tape.recording() && x.requires_grad();
  Tensor y = Tensor::empty(out, x.value.device());
  Tensor argmax = needs_argmax ? Tensor::empty(out, x.value.device(), DType::i32) : Tensor{};
  kernels::max_pool_forward(tape.exec(), s, x.value.data(), y.data(),
                            needs_argmax ? argmax.ints() : nullptr);
  Var result = tape.result(std::move(y), {&x});
  tape.record(result, [ex = tape.exec(), s, shape = x.shape(), argmax,
                       dx_sum = x.gradient](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.device());
    kernels::max_pool_backward(ex, s, dy.data(), argmax.ints(), dx.data());
    dx_sum->add(ex, std::move(dx));
  });
  return result;
}

Var avg_pool(Tape& tape, const Var& x, const PoolGeometry& geometry) {
  const kernels::PoolShape s = pool_shape(x.shape(), geometry);
  Tensor y = Tensor::empty({s.n, s.p(), s.q(), s.c}, x.value.device());
  kernels::avg_pool_forward(tape.exec(), s, x.value.data(), y.data());
  Var result = tape.result(std::move(y), {&x});
  tape.record(result,
              [ex = tape.exec(), s, shape = x.shape(), dx_sum = x.gradient](const Tensor& dy) {
                Tensor dx = Tensor::empty(shape, dy.device());
                kernels::avg_pool_backward(ex, s, dy.data(), dx.data());
                dx_sum->add(ex, std::move(dx));
              });
  return result;
}

Var global_avg_pool(Tape& tape, const Var& x) {
  const Shape& xs = x.shape();
  require<ShapeError>(xs.rank() == 4, "a global pool of a tensor of shape {}", to_string(xs));
  const std::int64_t n = xs[0], pixels = xs[1] * xs[2], c = xs[3];
  Tensor y = Tensor::empty({n, c}, x.value.device());
  kernels::global_avg_pool_forward(tape.exec(), n, pixels, c, x.value.data(), y.data());
  Var result = tape.result(std::move(y), {&x});
  tape.record(result,
              [ex = tape.exec(), n, pixels, c, shape = xs, dx_sum = x.gradient](const Tensor& dy) {
                Tensor dx = Tensor::empty(shape, dy.device());
                kernels::global_avg_pool_backward(ex, n, pixels, c, dy.data(), dx.data());
                dx_sum->add(ex, std::move(dx));
              });
  return result;
}

}  // namespace trifold::engine
