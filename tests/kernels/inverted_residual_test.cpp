#include "kernels/inverted_residual.h"

#include <fmt/format.h>

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/conv2d.h"
#include "tests/oracle/depthwise_conv2d.h"

namespace trifold::kernels {
namespace {

using namespace test;
using Shape = InvertedResidualShape;

Shape shape(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t expanded,
            std::int64_t k, std::int64_t window, std::int64_t stride, std::int64_t pad) {
  Shape s{.expand = {.n = n, .h = h, .w = w, .c = c, .k = expanded, .r = 1, .s = 1},
          .depthwise = {n, h, w, expanded, window, window, stride, stride, pad, pad},
          .project = {}};
  s.project = {
      .n = n, .h = s.depthwise.p(), .w = s.depthwise.q(), .c = expanded, .k = k, .r = 1, .s = 1};
  return s;
}

/// Small ones, which a CPU works step by step, and such as it works by bands of rows: one an image or
/// many; that share rows or, without a window above their stride, none; on the image alone; that begin
/// and end outside; of one row; wide enough for sums in parts.
const std::vector<Shape> shapes{
    shape(2, 7, 6, 5, 11, 3, 3, 1, 1),    shape(1, 8, 8, 4, 24, 16, 3, 2, 1),
    shape(2, 33, 32, 3, 45, 5, 3, 1, 1),  shape(3, 32, 33, 2, 48, 7, 3, 2, 1),
    shape(1, 40, 36, 2, 36, 4, 5, 1, 0),  shape(2, 37, 35, 1, 40, 3, 5, 2, 2),
    shape(1, 64, 256, 1, 24, 2, 3, 1, 1), shape(1, 12, 12, 2, 300, 9, 3, 1, 1),
    shape(1, 30, 40, 2, 48, 3, 1, 1, 0),  shape(1, 50, 30, 1, 40, 2, 2, 3, 0),
    shape(2, 10, 450, 1, 32, 2, 7, 1, 3),
};

struct Inputs {
  Floats x, w0, b0, w1, b1, w2, b2, residual;

  explicit Inputs(const Shape& s)
      : x(integers(s.expand.x_size(), 1, 2)),
        w0(integers(s.expand.w_size(), 2, 2)),
        b0(integers(s.expand.k, 3, 2)),
        w1(integers(s.depthwise.w_size(), 4, 2)),
        b1(integers(s.depthwise.c, 5, 2)),
        w2(integers(s.project.w_size(), 6, 1)),
        b2(integers(s.project.k, 7, 2)),
        residual(integers(s.project.y_size(), 8, 2)) {}
};

Floats activated(const oracle::Sums& sums, Activation act) {
  Floats values;
  for (const double v : sums.value) {
    values.push_back(static_cast<float>(act == Activation::relu ? std::max(v, 0.0) : v));
  }
  return values;
}

oracle::Conv2dCase pointwise(const Conv2dShape& s) { return {s.n, s.h, s.w, s.c, s.k, 1, 1, 1, 0}; }

/// The projection, before the residual and the last activation.
oracle::Sums exact(const Shape& s, const Inputs& in, Activation first, Activation second) {
  const Floats expanded =
      activated(oracle::conv2d_forward(pointwise(s.expand), in.x, in.w0, in.b0), first);
  const DepthwiseConv2dShape& d = s.depthwise;
  const Floats narrowed =
      activated(oracle::depthwise_forward(
                    {d.n, d.h, d.w, d.c, d.r, d.s, d.stride_h, d.stride_w, d.pad_h, d.pad_w},
                    widen(expanded), widen(in.w1), widen(in.b1)),
                second);
  return oracle::conv2d_forward(pointwise(s.project), narrowed, in.w2, in.b2);
}

TEST(InvertedResidual, EqualsTheOracleOnIntegers) {
  for (const Shape& s : shapes) {
    SCOPED_TRACE(fmt::format("n{} {}x{}x{} to {}, window {} stride {} pad {}", s.expand.n,
                             s.expand.h, s.expand.w, s.expand.c, s.expand.k, s.depthwise.r,
                             s.depthwise.stride_h, s.depthwise.pad_h));
    const Inputs in(s);
    for (const Activation act : {Activation::relu, Activation::none}) {
      const Activation other = act == Activation::relu ? Activation::none : Activation::relu;
      const oracle::Sums projected = exact(s, in, act, other);
      const std::int64_t y = s.project.y_size();
      run_everywhere(
          {nans(y), nans(y), in.residual},
          [&](const Trial& ex, const std::vector<float*>& out) {
            const DeviceArray<float> expand(ex.device, nans(conv2d_packing(ex, s.expand).floats)),
                project(ex.device, nans(conv2d_packing(ex, s.project).floats)),
                workspace(ex.device, nans(inverted_residual_workspace(ex, s)));
            conv2d_pack(ex, s.expand, ex.in(in.w0), expand.data());
            conv2d_pack(ex, s.project, ex.in(in.w2), project.data());
            const InvertedResidualWeights w{expand.data(),  ex.in(in.b0), act,
                                            ex.in(in.w1),   ex.in(in.b1), other,
                                            project.data(), ex.in(in.b2)};
            const float* x = ex.in(in.x);
            inverted_residual_forward(ex, s, x, w, nullptr, other, workspace.data(), out[0]);
            inverted_residual_forward(ex, s, x, w, ex.in(in.residual), act, workspace.data(),
                                      out[1]);
            inverted_residual_forward(ex, s, x, w, out[2], act, workspace.data(), out[2]);
            EXPECT_TRUE(expand.intact() && project.intact() && workspace.intact());
          },
          [&](const std::vector<Floats>& out) {
            oracle::Sums sum = projected;
            for (std::size_t i = 0; i < in.residual.size(); ++i) {
              ASSERT_LT(sum.magnitude[i], 0x1p24);
              sum.value[i] += static_cast<double>(in.residual[i]);
            }
            EXPECT_EQ(out[0], activated(projected, other));
            EXPECT_EQ(out[1], activated(sum, act));
            EXPECT_EQ(out[2], out[1]);
          });
    }
  }
}

TEST(InvertedResidual, RefusesBadShapes) {
  const Shape good = shape(2, 8, 8, 4, 24, 5, 3, 2, 1);
  EXPECT_NO_THROW(check(good));
  for (const Device device : devices()) {
    const auto refuse = [&](auto convolution, auto extent, std::int64_t value, const char* part) {
      Shape s = good;
      (s.*convolution).*extent = value;
      EXPECT_SHAPE_ERROR(check(s), part);
      EXPECT_SHAPE_ERROR(inverted_residual_forward({.device = device}, s, nullptr, {}, nullptr,
                                                   Activation::none, nullptr, nullptr),
                         part);
    };
    refuse(&Shape::expand, &Conv2dShape::r, 3, "must be 1x1");
    refuse(&Shape::project, &Conv2dShape::stride_w, 2, "must be 1x1");
    refuse(&Shape::expand, &Conv2dShape::c, 0, "at least 1");
    refuse(&Shape::expand, &Conv2dShape::k, 23, "don't fit together");
    refuse(&Shape::depthwise, &DepthwiseConv2dShape::h, 9, "don't fit together");
    refuse(&Shape::depthwise, &DepthwiseConv2dShape::pad_h, 0, "don't fit together");
    refuse(&Shape::project, &Conv2dShape::c, 25, "don't fit together");
    refuse(&Shape::project, &Conv2dShape::n, 1, "don't fit together");
  }
}

}  // namespace
}  // namespace trifold::kernels
