#include "kernels/grouped_conv2d.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/grouped_conv2d.h"

namespace trifold::kernels {
namespace {

using namespace test;
using Shape = GroupedConv2dShape;

oracle::GroupedCase to_oracle(const Shape& s) {
  return {s.n, s.h, s.w, s.c, s.k, s.r, s.s, s.groups, s.stride_h, s.stride_w, s.pad_h, s.pad_w};
}

/// One group; a channel a group, with one filter and several; groups that fill blocks evenly, leave a
/// narrow last block or are blocks of their own; more channels than filters and fewer.
const std::vector<Shape> shapes{
    {1, 1, 1, 1, 1, 1, 1, 1},
    {2, 5, 6, 6, 4, 3, 3, 1, 1, 1, 1, 1},
    {2, 7, 5, 5, 5, 3, 3, 5, 1, 1, 1, 1},
    {1, 6, 6, 5, 15, 3, 3, 5, 2, 2, 1, 1},
    {2, 5, 6, 64, 64, 3, 3, 16, 1, 1, 1, 1},
    {1, 7, 8, 28, 28, 3, 3, 7, 2, 2, 1, 1},
    {3, 5, 5, 22, 33, 3, 3, 11, 1, 1, 1, 1},
    {1, 5, 4, 40, 80, 3, 3, 2, 1, 1, 1, 1},
    {1, 5, 5, 54, 18, 1, 1, 3},
    {2, 9, 8, 24, 16, 5, 3, 4, 2, 1, 2, 0},
    {5, 6, 6, 64, 64, 3, 3, 4, 1, 1, 1, 1},
};

std::string name(const Shape& s) {
  return fmt::format("n{} {}x{}x{} to {} in {} groups, window {}x{}, stride {}x{}, pad {}x{}", s.n,
                     s.h, s.w, s.c, s.k, s.groups, s.r, s.s, s.stride_h, s.stride_w, s.pad_h,
                     s.pad_w);
}

struct Inputs {
  Floats x, w, b, dy;

  Inputs(const Shape& s, bool whole)
      : x(whole ? integers(s.x_size(), 1, 3) : normals(s.x_size(), 1)),
        w(whole ? integers(s.w_size(), 2, 3) : normals(s.w_size(), 2)),
        b(whole ? integers(s.k, 3, 3) : normals(s.k, 3)),
        dy(whole ? integers(s.y_size(), 4, 3) : normals(s.y_size(), 4)) {}
};

void run_all(const Trial& ex, const Shape& s, const Inputs& in, const std::vector<float*>& out) {
  const float *x = ex.in(in.x), *w = ex.in(in.w), *b = ex.in(in.b), *dy = ex.in(in.dy);
  grouped_conv2d_forward(ex, s, x, w, b, out[0]);
  grouped_conv2d_backward_data(ex, s, dy, w, Write::overwrite, out[1]);
  grouped_conv2d_backward_weight(ex, s, x, dy, out[2], out[3]);
}

std::vector<Floats> empty_results(const Shape& s) {
  return {nans(s.y_size()), nans(s.x_size()), nans(s.w_size()), nans(s.k)};
}

std::vector<oracle::Sums> exact_results(const Shape& s, const Inputs& in) {
  const oracle::GroupedCase t = to_oracle(s);
  const Doubles x = widen(in.x), w = widen(in.w), dy = widen(in.dy);
  return {oracle::grouped_forward(t, x, w, widen(in.b)), oracle::grouped_backward_data(t, dy, w),
          oracle::grouped_backward_weight(t, x, dy), oracle::grouped_backward_bias(t, dy)};
}

/// Without Winograd's algorithm, which isn't exact on whole numbers.
class GroupedConv2d : public testing::Test {
 protected:
  void SetUp() override { cpu::force_conv2d_algorithm(cpu::Conv2dAlgorithm::direct); }
  void TearDown() override { cpu::force_conv2d_algorithm(std::nullopt); }
};

TEST_F(GroupedConv2d, EqualsTheOracleAndStaysInItsBound) {
  for (const Shape& s : shapes) {
    SCOPED_TRACE(name(s));
    for (const bool whole : {true, false}) {
      const Inputs in(s, whole);
      const std::vector<oracle::Sums> exact = exact_results(s, in);
      const std::int64_t pixels = s.n * s.p() * s.q();
      const std::int64_t terms[] = {s.r * s.s * s.group_c(), s.r * s.s * s.group_k(), pixels,
                                    pixels};
      run_everywhere(
          empty_results(s),
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

TEST_F(GroupedConv2d, AccumulatesTheDataGradient) {
  for (const Shape& s : {shapes[1], shapes[3], shapes[4], shapes[6]}) {
    SCOPED_TRACE(name(s));
    const Inputs in(s, true);
    oracle::Sums exact = oracle::grouped_backward_data(to_oracle(s), widen(in.dy), widen(in.w));
    const Floats before = integers(s.x_size(), 5);
    for (std::size_t i = 0; i < before.size(); ++i) exact.value[i] += before[i];
    run_everywhere(
        {before},
        [&](const Trial& ex, const std::vector<float*>& out) {
          grouped_conv2d_backward_data(ex, s, ex.in(in.dy), ex.in(in.w), Write::accumulate, out[0]);
        },
        [&](const std::vector<Floats>& out) { expect_equal(out[0], exact.value); });
  }
}

TEST_F(GroupedConv2d, TakesNoBias) {
  for (const Shape& s : {shapes[1], shapes[6]}) {
    SCOPED_TRACE(name(s));
    Inputs in(s, true);
    in.b.assign(in.b.size(), 0.0f);
    const std::vector<oracle::Sums> exact = exact_results(s, in);
    run_everywhere(
        {nans(s.y_size()), nans(s.w_size())},
        [&](const Trial& ex, const std::vector<float*>& out) {
          grouped_conv2d_forward(ex, s, ex.in(in.x), ex.in(in.w), nullptr, out[0]);
          grouped_conv2d_backward_weight(ex, s, ex.in(in.x), ex.in(in.dy), out[1], nullptr);
        },
        [&](const std::vector<Floats>& out) {
          expect_equal(out[0], exact[0].value);
          expect_equal(out[1], exact[2].value);
        });
  }
}

// As the CPU chooses, by Winograd's algorithm where that is quicker.
TEST(GroupedConv2dAsChosen, StaysNearTheOracle) {
  for (const Shape& s : {shapes[4], shapes[7], shapes[10]}) {
    SCOPED_TRACE(name(s));
    const Inputs in(s, false);
    const std::vector<oracle::Sums> exact = exact_results(s, in);
    run_everywhere(
        empty_results(s),
        [&](const Trial& ex, const std::vector<float*>& out) { run_all(ex, s, in, out); },
        [&](const std::vector<Floats>& out) {
          for (std::size_t k = 0; k < 4; ++k) {
            const double bound = 1e-5 * *std::ranges::max_element(exact[k].magnitude);
            expect_within(out[k], exact[k].value, [&](std::size_t) { return bound; });
          }
        });
  }
}

// So many groups that a CPU's thread takes all images, one after the other.
TEST_F(GroupedConv2d, TakesAFewImagesAtATime) {
  const Shape s{2, 58, 58, 512, 512, 1, 1, 32};
  const Inputs in(s, true);
  const Doubles y =
      oracle::grouped_forward(to_oracle(s), widen(in.x), widen(in.w), widen(in.b)).value;
  Floats found = nans(s.y_size());
  grouped_conv2d_forward({}, s, in.x.data(), in.w.data(), in.b.data(), found.data());
  expect_equal(found, y);
}

// So that a run that diverges is seen to.
TEST_F(GroupedConv2d, KeepsNaN) {
  const Shape s{1, 3, 3, 96, 96, 3, 3, 3, 1, 1, 1, 1};
  Inputs in(s, false);
  in.x[0] = in.dy[0] = nan;
  run_everywhere(
      empty_results(s),
      [&](const Trial& ex, const std::vector<float*>& out) { run_all(ex, s, in, out); },
      [&](const std::vector<Floats>& out) {
        for (const Floats& values : out) EXPECT_TRUE(std::isnan(values[0]));
        for (const Floats& values : out) EXPECT_FALSE(std::isnan(values[40])) << "another group";
      });
}

TEST(GroupedConv2dOracle, GradientsAreDerivatives) {
  const oracle::GroupedCase t{2, 5, 4, 6, 9, 3, 2, 3, 2, 1, 1, 1};
  const auto size = [](std::int64_t count, std::uint64_t seed) {
    return widen(normals(count, seed));
  };
  const Doubles x = size(2 * 5 * 4 * 6, 1), w = size(3 * 2 * 2 * 9, 2), b = size(9, 3),
                dy = size(2 * t.p() * t.q() * 9, 4);
  const auto loss = [&](const Doubles& at_x, const Doubles& at_w, const Doubles& at_b) {
    const Doubles y = oracle::grouped_forward(t, at_x, at_w, at_b).value;
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
  expect_derivative(oracle::grouped_backward_data(t, dy, w).value, x,
                    [&](const Doubles& v) { return loss(v, w, b); });
  expect_derivative(oracle::grouped_backward_weight(t, x, dy).value, w,
                    [&](const Doubles& v) { return loss(x, v, b); });
  expect_derivative(oracle::grouped_backward_bias(t, dy).value, b,
                    [&](const Doubles& v) { return loss(x, w, v); });
}

TEST_F(GroupedConv2d, RefusesBadShapes) {
  const Shape good{2, 8, 8, 6, 9, 3, 3, 3, 1, 1, 1, 1};
  EXPECT_NO_THROW(check(good));
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    const auto refuse = [&](auto extent, std::int64_t value, const char* part) {
      Shape s = good;
      s.*extent = value;
      EXPECT_SHAPE_ERROR(check(s), part);
      EXPECT_SHAPE_ERROR(grouped_conv2d_forward(ex, s, nullptr, nullptr, nullptr, nullptr), part);
      EXPECT_SHAPE_ERROR(
          grouped_conv2d_backward_data(ex, s, nullptr, nullptr, Write::overwrite, nullptr), part);
      EXPECT_SHAPE_ERROR(grouped_conv2d_backward_weight(ex, s, nullptr, nullptr, nullptr, nullptr),
                         part);
    };
    refuse(&Shape::groups, 0, "divide both");
    refuse(&Shape::groups, -3, "divide both");
    refuse(&Shape::groups, 2, "divide both");
    refuse(&Shape::c, 7, "divide both");
    refuse(&Shape::k, 8, "divide both");
    refuse(&Shape::c, 0, "at least 1");
    refuse(&Shape::n, 0, "at least 1");
    refuse(&Shape::stride_w, 0, "at least 1");
    refuse(&Shape::pad_h, 3, "padding");
    refuse(&Shape::s, 11, "larger than its padded input");
    refuse(&Shape::n, std::int64_t{1} << 58, "2^62");
  }
}

}  // namespace
}  // namespace trifold::kernels
