#include "kernels/depthwise_conv2d.h"

#include "engine/ops.h"
#include "engine/ops/weight_gradients.h"
#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

kernels::DepthwiseConv2dShape depthwise_shape(const Shape& xs, const Shape& ws, const Shape* bs,
                                              const ConvGeometry& g) {
  require<ShapeError>(
      xs.rank() == 4 && ws.rank() == 3 && xs[3] == ws[2] && (!bs || *bs == Shape{ws[2]}),
      "depthwise_conv2d of an input {} with weights {}", to_string(xs), to_string(ws));
  const kernels::DepthwiseConv2dShape s{xs[0], xs[1],      xs[2],      xs[3],   ws[0],
                                        ws[1], g.stride_h, g.stride_w, g.pad_h, g.pad_w};
  check(s);
  return s;
}

}  // namespace

Var depthwise_conv2d(Tape& tape, const Var& x, const Var& w, const Var* b, const ConvGeometry& g,
                     kernels::Activation act) {
  const kernels::DepthwiseConv2dShape s =
      depthwise_shape(x.shape(), w.shape(), b ? &b->shape() : nullptr, g);
  Tensor y = Tensor::empty({s.n, s.p(), s.q(), s.c}, x.value.device());
  kernels::depthwise_conv2d_forward(tape.exec(), s, x.value.data(), w.value.data(),
                                    b ? b->value.data() : nullptr, act, y.data());

  const Var none = Var::constant({});
  Var result = tape.result(std::move(y), {&x, &w, b ? b : &none});
  const Tensor mask = act == kernels::Activation::relu ? result.value : Tensor();
  tape.record(result, [ex = tape.exec(), s, x, w, bias = b ? *b : none, mask](const Tensor& g) {
    Tensor dy = g;
    if (mask.defined()) {
      dy = Tensor::empty(g.shape(), g.device());
      kernels::relu_backward(ex, g.size(), mask.data(), g.data(), dy.data());
    }
    add_weight_gradients(ex, w, bias, [&](float* dw, float* db) {
      kernels::depthwise_conv2d_backward_weight(ex, s, x.value.data(), dy.data(), dw, db);
    });
    add_input_gradient(ex, x, [&](kernels::Write write, float* dx) {
      kernels::depthwise_conv2d_backward_data(ex, s, dy.data(), w.value.data(), write, dx);
    });
  });
  return result;
}

}  // namespace trifold::engine
