#include "kernels/grouped_conv2d.h"

#include "engine/ops.h"
#include "engine/ops/weight_gradients.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

kernels::GroupedConv2dShape grouped_shape(const Shape& xs, const Shape& ws, const Shape* bs,
                                          std::int64_t groups, const ConvGeometry& g) {
  require<ShapeError>(xs.rank() == 4 && ws.rank() == 4 && groups >= 1 && xs[3] % groups == 0 &&
                          xs[3] / groups == ws[2] && (!bs || *bs == Shape{ws[3]}),
                      "grouped_conv2d of an input {} with weights {} in {} groups", to_string(xs),
                      to_string(ws), groups);
  const kernels::GroupedConv2dShape s{xs[0], xs[1],  xs[2],      xs[3],      ws[3],   ws[0],
                                      ws[1], groups, g.stride_h, g.stride_w, g.pad_h, g.pad_w};
  check(s);
  return s;
}

}  // namespace

Var grouped_conv2d(Tape& tape, const Var& x, const Var& w, const Var* b, std::int64_t groups,
                   const ConvGeometry& g) {
  const kernels::GroupedConv2dShape s =
      grouped_shape(x.shape(), w.shape(), b ? &b->shape() : nullptr, groups, g);
  Tensor y = Tensor::empty({s.n, s.p(), s.q(), s.k}, x.value.device());
  kernels::grouped_conv2d_forward(tape.exec(), s, x.value.data(), w.value.data(),
                                  b ? b->value.data() : nullptr, y.data());

  const Var none = Var::constant({});
  Var result = tape.result(std::move(y), {&x, &w, b ? b : &none});
  tape.record(result, [ex = tape.exec(), s, x, w, bias = b ? *b : none](const Tensor& dy) {
    add_weight_gradients(ex, w, bias, [&](float* dw, float* db) {
      kernels::grouped_conv2d_backward_weight(ex, s, x.value.data(), dy.data(), dw, db);
    });
    add_input_gradient(ex, x, [&](kernels::Write write, float* dx) {
      kernels::grouped_conv2d_backward_data(ex, s, dy.data(), w.value.data(), write, dx);
    });
  });
  return result;
}

}  // namespace trifold::engine
