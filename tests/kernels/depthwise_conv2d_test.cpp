#include "kernels/depthwise_conv2d.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/depthwise_conv2d.h"

namespace trifold::kernels {
namespace {

using namespace test;
using Shape = DepthwiseConv2dShape;

oracle::DepthwiseCase to_oracle(const Shape& s) {
  return {s.n, s.h, s.w, s.c, s.r, s.s, s.stride_h, s.stride_w, s.pad_h, s.pad_w};
}

/// Every window and stride that has a path of its own, and others; rows of every remainder of a
/// tile; one channel, whole vectors and every tail; images below the window; columns that nothing
/// reads; more rows than parts of a sum.
const std::vector<Shape> shapes{
    {1, 1, 1, 1, 1, 1},
    {2, 7, 9, 5, 3, 3, 1, 1, 1, 1},
    {1, 4, 4, 64, 3, 3, 1, 1, 1, 1},
    {2, 9, 8, 24, 3, 3, 2, 2, 1, 1},
    {3, 6, 11, 45, 3, 3, 2, 2, 0, 0},
    {1, 2, 2, 33, 3, 3, 1, 1, 2, 2},
    {2, 1, 3, 7, 3, 3, 2, 2, 1, 1},
    {2, 10, 13, 16, 5, 5, 1, 1, 2, 2},
    {1, 3, 4, 31, 5, 5, 1, 1, 4, 3},
    {2, 11, 12, 20, 5, 5, 2, 2, 2, 2},
    {1, 8, 8, 13, 7, 7, 1, 1, 3, 3},
    {1, 9, 10, 12, 2, 4, 3, 1, 1, 2},
    {1, 9, 10, 12, 4, 3, 1, 2, 0, 1},
    {2, 10, 7, 9, 3, 5, 2, 1, 1, 2},
    {1, 10, 11, 6, 2, 2, 4, 5, 0, 0},
    {5, 16, 6, 3, 3, 3, 1, 1, 1, 1},
    {2, 13, 12, 132, 3, 3, 1, 1, 1, 1},
};

std::string name(const Shape& s) {
  return fmt::format("n{} {}x{}x{}, window {}x{}, stride {}x{}, pad {}x{}", s.n, s.h, s.w, s.c, s.r,
                     s.s, s.stride_h, s.stride_w, s.pad_h, s.pad_w);
}

struct Inputs {
  Floats x, w, b, dy;

  Inputs(const Shape& s, bool whole)
      : x(whole ? integers(s.x_size(), 1, 3) : normals(s.x_size(), 1)),
        w(whole ? integers(s.w_size(), 2, 3) : normals(s.w_size(), 2)),
        b(whole ? integers(s.c, 3, 3) : normals(s.c, 3)),
        dy(whole ? integers(s.y_size(), 4, 3) : normals(s.y_size(), 4)) {}
};

void run_all(const Trial& ex, const Shape& s, const Inputs& in, const std::vector<float*>& out) {
  const float *x = ex.in(in.x), *w = ex.in(in.w), *b = ex.in(in.b), *dy = ex.in(in.dy);
  depthwise_conv2d_forward(ex, s, x, w, b, Activation::none, out[0]);
  depthwise_conv2d_backward_data(ex, s, dy, w, Write::overwrite, out[1]);
  depthwise_conv2d_backward_weight(ex, s, x, dy, out[2], out[3]);
}

TEST(DepthwiseConv2d, EqualsTheOracleAndStaysInItsBound) {
  for (const Shape& s : shapes) {
    SCOPED_TRACE(name(s));
    for (const bool whole : {true, false}) {
      const Inputs in(s, whole);
      const oracle::DepthwiseCase t = to_oracle(s);
      const Doubles x = widen(in.x), w = widen(in.w), dy = widen(in.dy);
      const oracle::Sums exact[] = {oracle::depthwise_forward(t, x, w, widen(in.b)),
                                    oracle::depthwise_backward_data(t, dy, w),
                                    oracle::depthwise_backward_weight(t, x, dy),
                                    oracle::depthwise_backward_bias(t, dy)};
      const std::int64_t pixels = s.n * s.p() * s.q();
      const std::int64_t terms[] = {s.r * s.s, s.r * s.s, pixels, pixels};
      run_everywhere(
          {nans(s.y_size()), nans(s.x_size()), nans(s.w_size()), nans(s.c)},
          [&](const Trial& ex, const std::vector<float*>& out) { run_all(ex, s, in, out); },
          [&](const std::vector<Floats>& out) {
            for (std::size_t k = 0; k < 4; ++k) {
              SCOPED_TRACE("result " + std::to_string(k));
              const double bound = whole ? 0 : static_cast<double>(terms[k] + 2) * unit;
              expect_within(out[k], exact[k].value,
                            [&](std::size_t i) { return bound * exact[k].magnitude[i]; });
            }
          });
      if (HasFailure()) return;
    }
  }
}

TEST(DepthwiseConv2d, AccumulatesTheDataGradient) {
  for (const Shape& s : shapes) {
    SCOPED_TRACE(name(s));
    const Inputs in(s, true);
    oracle::Sums exact = oracle::depthwise_backward_data(to_oracle(s), widen(in.dy), widen(in.w));
    const Floats before = integers(s.x_size(), 5);
    for (std::size_t i = 0; i < before.size(); ++i) exact.value[i] += before[i];
    run_everywhere(
        {before},
        [&](const Trial& ex, const std::vector<float*>& out) {
          depthwise_conv2d_backward_data(ex, s, ex.in(in.dy), ex.in(in.w), Write::accumulate,
                                         out[0]);
        },
        [&](const std::vector<Floats>& out) { expect_equal(out[0], exact.value); });
    if (HasFailure()) return;
  }
}

TEST(DepthwiseConv2d, TakesNoBias) {
  for (const Shape& s : {shapes[1], shapes[3], shapes[10]}) {
    SCOPED_TRACE(name(s));
    Inputs in(s, true);
    in.b.assign(in.b.size(), 0.0f);
    const oracle::DepthwiseCase t = to_oracle(s);
    const Doubles y = oracle::depthwise_forward(t, widen(in.x), widen(in.w), widen(in.b)).value;
    const Doubles dw = oracle::depthwise_backward_weight(t, widen(in.x), widen(in.dy)).value;
    run_everywhere(
        {nans(s.y_size()), nans(s.w_size())},
        [&](const Trial& ex, const std::vector<float*>& out) {
          depthwise_conv2d_forward(ex, s, ex.in(in.x), ex.in(in.w), nullptr, Activation::none,
                                   out[0]);
          depthwise_conv2d_backward_weight(ex, s, ex.in(in.x), ex.in(in.dy), out[1], nullptr);
        },
        [&](const std::vector<Floats>& out) {
          expect_equal(out[0], y);
          expect_equal(out[1], dw);
        });
  }
}

TEST(DepthwiseConv2d, AppliesAReLU) {
  for (const Shape& s : shapes) {
    SCOPED_TRACE(name(s));
    Inputs in(s, true);
    const oracle::DepthwiseCase t = to_oracle(s);
    Doubles y = oracle::depthwise_forward(t, widen(in.x), widen(in.w), widen(in.b)).value;
    for (double& v : y) v = std::max(v, 0.0);
    run_everywhere(
        {nans(s.y_size())},
        [&](const Trial& ex, const std::vector<float*>& out) {
          depthwise_conv2d_forward(ex, s, ex.in(in.x), ex.in(in.w), ex.in(in.b), Activation::relu,
                                   out[0]);
        },
        [&](const std::vector<Floats>& out) { expect_equal(out[0], y); });
  }
}

// Four channels at a time where rows begin at 16-byte addresses, else one: with the same bits.
TEST(DepthwiseConv2d, TakesArraysAtAnyAddress) {
  const auto shifted = [](Floats values) {
    values.insert(values.begin(), 0.0f);
    return values;
  };
  for (const Shape& s : {shapes[2], shapes[3], shapes[7]}) {
    SCOPED_TRACE(name(s));
    const Inputs in(s, false);
    for (const Device device : devices()) {
      const std::vector<Floats> aligned = outputs_of(
          Trial(device), {nans(s.y_size()), nans(s.x_size()), nans(s.w_size()), nans(s.c)},
          [&](const Trial& ex, const std::vector<float*>& out) { run_all(ex, s, in, out); });
      const std::vector<Floats> moved = outputs_of(
          Trial(device),
          {nans(s.y_size() + 1), nans(s.x_size() + 1), nans(s.w_size() + 1), nans(s.c + 1)},
          [&](const Trial& ex, const std::vector<float*>& out) {
            const float *x = ex.in(shifted(in.x)) + 1, *w = ex.in(shifted(in.w)) + 1,
                        *b = ex.in(shifted(in.b)) + 1, *dy = ex.in(shifted(in.dy)) + 1;
            depthwise_conv2d_forward(ex, s, x, w, b, Activation::none, out[0] + 1);
            depthwise_conv2d_backward_data(ex, s, dy, w, Write::overwrite, out[1] + 1);
            depthwise_conv2d_backward_weight(ex, s, x, dy, out[2] + 1, out[3] + 1);
          });
      for (std::size_t k = 0; k < aligned.size(); ++k) {
        EXPECT_TRUE(std::isnan(moved[k].front()));
        EXPECT_TRUE(same_bits(aligned[k], {moved[k].begin() + 1, moved[k].end()})) << k;
      }
    }
  }
}

// So that a run that diverges is seen to.
TEST(DepthwiseConv2d, KeepsNaN) {
  const Shape s{1, 6, 6, 8, 3, 3, 1, 1, 1, 1};
  Inputs in(s, false);
  in.x[0] = in.dy[0] = nan;
  run_everywhere(
      {nans(s.y_size()), nans(s.x_size()), nans(s.w_size()), nans(s.c)},
      [&](const Trial& ex, const std::vector<float*>& out) { run_all(ex, s, in, out); },
      [&](const std::vector<Floats>& out) {
        for (const Floats& values : out) EXPECT_TRUE(std::isnan(values[0]));
        for (const Floats& values : out) EXPECT_FALSE(std::isnan(values[1])) << "another channel";
      });
}

TEST(DepthwiseConv2d, OracleGradientsAreDerivatives) {
  const oracle::DepthwiseCase t{2, 5, 4, 3, 3, 2, 2, 1, 1, 1};
  const auto size = [](std::int64_t count, std::uint64_t seed) {
    return widen(normals(count, seed));
  };
  const Doubles x = size(2 * 5 * 4 * 3, 1), w = size(3 * 2 * 3, 2), b = size(3, 3),
                dy = size(2 * t.p() * t.q() * 3, 4);
  const auto loss = [&](const Doubles& at_x, const Doubles& at_w, const Doubles& at_b) {
    const Doubles y = oracle::depthwise_forward(t, at_x, at_w, at_b).value;
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  const auto expect_derivative = [](const Doubles& gradient, const Doubles& at,
                                    const std::function<double(const Doubles&)>& f) {
    ASSERT_EQ(gradient.size(), at.size());
    for (std::size_t i = 0; i < at.size(); ++i) {
      EXPECT_NEAR(gradient[i], finite_difference(f, at, i), 1e-8) << i;
    }
  };
  expect_derivative(oracle::depthwise_backward_data(t, dy, w).value, x,
                    [&](const Doubles& v) { return loss(v, w, b); });
  expect_derivative(oracle::depthwise_backward_weight(t, x, dy).value, w,
                    [&](const Doubles& v) { return loss(x, v, b); });
  expect_derivative(oracle::depthwise_backward_bias(t, dy).value, b,
                    [&](const Doubles& v) { return loss(x, w, v); });
}

TEST(DepthwiseConv2d, RefusesBadShapes) {
  const Shape good{2, 8, 8, 3, 3, 3, 1, 1, 1, 1};
  EXPECT_NO_THROW(check(good));
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    const auto refuse = [&](const Shape& s, const char* part) {
      EXPECT_SHAPE_ERROR(check(s), part);
      EXPECT_SHAPE_ERROR(
          depthwise_conv2d_forward(ex, s, nullptr, nullptr, nullptr, Activation::none, nullptr),
          part);
      EXPECT_SHAPE_ERROR(
          depthwise_conv2d_backward_data(ex, s, nullptr, nullptr, Write::overwrite, nullptr), part);
      EXPECT_SHAPE_ERROR(
          depthwise_conv2d_backward_weight(ex, s, nullptr, nullptr, nullptr, nullptr), part);
    };
    for (auto extent : {&Shape::n, &Shape::h, &Shape::w, &Shape::c, &Shape::r, &Shape::s,
                        &Shape::stride_h, &Shape::stride_w}) {
      Shape bad = good;
      bad.*extent = 0;
      refuse(bad, "at least 1");
    }
    const auto changed = [&](auto extent, std::int64_t value) {
      Shape bad = good;
      bad.*extent = value;
      return bad;
    };
    refuse(changed(&Shape::pad_h, 3), "padding");
    refuse(changed(&Shape::pad_w, -1), "padding");
    refuse(changed(&Shape::s, 11), "larger than its padded input");
    refuse(changed(&Shape::n, std::int64_t{1} << 58), "2^62");
    // The output alone.
    constexpr std::int64_t million = 1 << 20;
    refuse({8, 1, 1, million, million, million, 1, 1, million - 1, million - 1}, "2^62");
  }
}

}  // namespace
}  // namespace trifold::kernels
