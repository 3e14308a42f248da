/// kernels::norm_conv2d_backward, for each kind of gradient that comes in and of input.
#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/norm_conv2d.h"
#include "kernels/runtime/error.h"
#include "tests/kernels/support_conv2d.h"
#include "tests/kernels/support_norm_conv2d_backward.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/winograd.h"

namespace trifold::kernels {
namespace {

using namespace test;
using cpu::Conv2dAlgorithm;
using oracle::Conv2dCase;

constexpr double rounding = 64 * unit;  // what a part's sums and a few operations may lose
constexpr double norm_error = 4;  // of a norm or a deferred gradient, in units of its magnitude

Floats narrow(const Doubles& values) { return {values.begin(), values.end()}; }

enum class Reads { plain, normed, rectified, pitched, residual_added };
enum class Added { none, apart, in_place };
constexpr std::array all_reads{Reads::plain, Reads::normed, Reads::rectified, Reads::pitched,
                               Reads::residual_added};
constexpr std::array all_added{Added::none, Added::apart, Added::in_place};

struct Variant {
  bool behind_norm;
  Reads reads;
  Added added;
  bool wants_g = true;
};

std::vector<Variant> all_variants() {
  std::vector<Variant> variants;
  for (const bool behind_norm : {false, true}) {
    for (const Reads reads : all_reads) {
      for (const Added added : all_added) variants.push_back({behind_norm, reads, added});
      variants.push_back({behind_norm, reads, Added::none, false});
    }
  }
  return variants;
}

std::string name(const Variant& variant) {
  constexpr std::array reads{"a plain input", "a norm", "a norm with ReLU", "a wider array's norm",
                             "a stored residual add"};
  constexpr std::array added{"nothing added", "a gradient added", "a gradient added in place"};
  return std::string(variant.behind_norm ? "behind a norm, of " : "of ") +
         reads[static_cast<std::size_t>(variant.reads)] + ", " +
         added[static_cast<std::size_t>(variant.added)] + (variant.wants_g ? "" : ", dw alone");
}

class NormConv2dBackward : public testing::TestWithParam<Conv2dAlgorithm> {
 protected:
  void SetUp() override { cpu::force_conv2d_algorithm(GetParam()); }
  void TearDown() override { cpu::force_conv2d_algorithm(std::nullopt); }

  bool direct() const { return GetParam() == Conv2dAlgorithm::direct; }
  bool takes(const Conv2dCase& t) const {
    return direct() || (t.r == 3 && t.s == 3 && t.stride == 1);
  }

  /// Of three variants that differ in what they read, form and add.
  void expect_bounds(const std::vector<Conv2dCase>& cases) const {
    const std::vector<Variant> variants{{true, Reads::residual_added, Added::in_place},
                                        {true, Reads::pitched, Added::apart},
                                        {false, Reads::plain, Added::none}};
    for (const Conv2dCase& t : cases) {
      if (!takes(t)) continue;
      for (const Variant& variant : variants) {
        expect_oracle(t, variant, false);
        if (HasFailure()) return;
      }
    }
  }

  void expect_oracle(const Conv2dCase& t, const Variant& variant, bool whole) const {
    SCOPED_TRACE(test::name(t) + ", " + name(variant));
    const Conv2dShape s = shape_of(t);
    NormConv2dBackwardInputs in = norm_conv2d_backward_inputs(
        s, whole, variant.behind_norm, variant.reads != Reads::normed,
        variant.reads == Reads::residual_added, variant.added != Added::none);
    const std::int64_t pitch = variant.reads == Reads::pitched ? s.c + 3 : s.c;
    const bool normed = variant.reads != Reads::plain;
    if (normed) in.input.norm = &in.norm;
    oracle::ConvGradients exact =
        oracle::norm_conv2d_backward(t, in.dy, in.input, in.w, in.added, norm_error * unit);
    double extra = 2 + 2 * norm_error;
    if (!direct()) {
      extra += 32;
      const Floats dy = narrow(oracle::evaluated(in.dy).magnitude);
      const Floats a = narrow(in.input.value().magnitude);
      exact.g.magnitude = oracle::winograd_magnitude_backward_data(t, dy, in.w);
      for (std::size_t i = 0; i < in.added.size(); ++i) {
        exact.g.magnitude[i] += std::abs(double{in.added[i]});
      }
      exact.dw.magnitude = oracle::winograd_magnitude_backward_weight(t, a, dy);
    }
    const auto bound = [&](std::int64_t terms) {
      return whole ? 0 : (static_cast<double>(terms) + extra) * unit;
    };
    const bool sums = normed && variant.wants_g;
    run_everywhere(
        {variant.added == Added::in_place ? in.added : nans(s.x_size()), nans(2 * s.c),
         nans(s.w_size())},
        [&](const Trial& ex, const std::vector<float*>& out) {
          OutputGradient dy{ex.in(in.dy.g)};
          if (variant.behind_norm) {
            dy = {ex.in(in.dy.g),     ex.in(in.dy.y),           ex.in(in.dy.mean),
                  ex.in(in.dy.scale), ex.in(in.dy.coefficient), ex.in(in.dy.constant)};
          }
          const InputNorm norm{ex.in(in.norm.mean), ex.in(in.norm.scale), ex.in(in.norm.shift),
                               in.norm.relu ? Activation::relu : Activation::none,
                               pitch == s.c ? 0 : pitch};
          const ConvInput input{ex.in(spread(in.input.x, s.c, pitch, nan)),
                                normed ? &norm : nullptr,
                                in.input.a.empty() ? nullptr : ex.in(in.input.a)};
          const float* added = variant.added == Added::apart ? ex.in(in.added) : nullptr;
          if (variant.added == Added::in_place) added = out[0];
          norm_conv2d_backward(ex, s, dy, input, ex.in(in.w), added,
                               variant.wants_g ? out[0] : nullptr, sums ? out[1] : nullptr, out[2]);
        },
        [&](const std::vector<Floats>& out) {
          expect_within(out[2], exact.dw.value, [&](std::size_t i) {
            return bound(s.n * s.p() * s.q()) * exact.dw.magnitude[i];
          });
          if (!variant.wants_g) return;
          const double on_g = bound(s.r * s.s * s.k);
          expect_within(out[0], exact.g.value, [&](std::size_t i) {
            return on_g * exact.g.magnitude[i] + (whole ? 0 : exact.uncertainty_of_g[i]);
          });
          if (!sums) return;
          expect_within(out[1], exact.sums.value, [&](std::size_t i) {
            return (on_g + (whole ? unit : rounding)) * exact.sums.magnitude[i] +
                   (whole ? 0 : exact.uncertainty_of_sums[i]);
          });
        });
  }
};

INSTANTIATE_TEST_SUITE_P(Algorithms, NormConv2dBackward,
                         testing::Values(Conv2dAlgorithm::direct, Conv2dAlgorithm::winograd),
                         [](const auto& algorithm) {
                           return algorithm.param == Conv2dAlgorithm::direct ? "direct"
                                                                             : "winograd";
                         });

/// 3 x 3 and 1 x 1 windows, odd and even channels, strides 1 and 2, inputs that no window reaches.
const std::vector<Conv2dCase> cases{
    {2, 5, 6, 5, 7, 3, 3, 1, 1}, {3, 9, 8, 8, 12, 3, 3, 1, 1}, {2, 7, 6, 5, 6, 3, 3, 2, 1},
    {2, 7, 7, 5, 4, 1, 1, 2, 0}, {3, 5, 4, 4, 8, 1, 1, 1, 0},
};

TEST_P(NormConv2dBackward, StaysInBoundOnRealsEachWay) {
  for (const Conv2dCase& t : cases) {
    if (!takes(t)) continue;
    for (const Variant& variant : all_variants()) {
      expect_oracle(t, variant, false);
      if (HasFailure()) return;
    }
  }
}

TEST_P(NormConv2dBackward, EqualsTheOracleOnIntegersEachWay) {
  if (!direct()) GTEST_SKIP() << "Winograd's fractions are not exact";
  for (const Conv2dCase& t : cases) {
    for (const Variant& variant : all_variants()) {
      expect_oracle(t, variant, true);
      if (HasFailure()) return;
    }
  }
}

// Every shape some variant.
TEST_P(NormConv2dBackward, StaysInBoundForEveryShape) {
  const std::vector<Variant> variants = all_variants();
  std::size_t next = 0;
  for (const Conv2dCase& t : small_conv2d_cases()) {
    next += 7;
    if (!takes(t)) continue;
    expect_oracle(t, variants[next % variants.size()], false);
    if (HasFailure()) return;
  }
}

// More weights than a level 2 cache holds.
TEST_P(NormConv2dBackward, StaysInBoundForWideLayers) {
  expect_oracle({1, 6, 5, 172, 176, 3, 3, 1, 1}, {true, Reads::rectified, Added::apart}, false);
}

// More than the CPU works at a time, and a last time with fewer images.
TEST_P(NormConv2dBackward, StaysInBoundForLargeBatches) {
  expect_bounds({{5, 128, 100, 5, 7, 1, 1, 1, 0},
                 {11, 128, 100, 4, 3, 1, 1, 2, 0},
                 {4, 128, 100, 5, 7, 3, 3, 1, 1}});
}

// Each thread takes groups of images of its own through all steps, one or several at a time.
TEST_P(NormConv2dBackward, StaysInBoundWhereThreadsLeadImages) {
  expect_bounds({{17, 40, 36, 8, 8, 3, 3, 1, 1},
                 {9, 12, 10, 20, 24, 3, 3, 1, 1},
                 {18, 11, 13, 12, 9, 3, 3, 2, 1},
                 {16, 5, 6, 33, 18, 1, 1, 1, 0}});
}

// Evaluated as it is read, the deferred gradient of a batch norm is the one that a pass evaluates.
TEST_P(NormConv2dBackward, FactorsGiveTheGradientOfTheBatchNorm) {
  const Conv2dCase t{3, 9, 8, 8, 12, 3, 3, 1, 1};
  const Conv2dShape s = shape_of(t);
  const BatchNormShape rows{s.n * s.p() * s.q(), s.k};
  const Floats x = normals(s.x_size(), 1), w = normals(s.w_size(), 2);
  const Floats y = normals(s.y_size(), 3, 0.5, 2), g = normals(s.y_size(), 4);
  const Floats mean = normals(s.k, 5, 0.5, 0.1), inv_std = normals(s.k, 6, 0.6, 0.05);
  const Floats gamma = normals(s.k, 7), sums = normals(2 * s.k, 8, 0, 20);
  run_everywhere(
      {nans(s.k), nans(s.k), nans(s.k), nans(s.k), nans(s.k), nans(s.k), nans(s.k),
       nans(s.y_size()), nans(s.x_size()), nans(s.w_size()), nans(s.x_size()), nans(s.w_size())},
      [&](const Trial& ex, const std::vector<float*>& out) {
        const float *of_y = ex.in(g), *m = ex.in(mean), *inv = ex.in(inv_std);
        batch_norm_gradient_coefficients(ex, rows, inv, ex.in(gamma), ex.in(sums), out[0], out[1],
                                         out[2], out[3], out[4]);
        batch_norm_gradient(ex, rows, ex.in(y), m, inv, ex.in(gamma), of_y, ex.in(sums),
                            Write::overwrite, out[7], out[5], out[6]);
        const ConvInput input{ex.in(x)};
        norm_conv2d_backward(ex, s, {of_y, ex.in(y), m, out[0], out[1], out[2]}, input, ex.in(w),
                             nullptr, out[8], nullptr, out[9]);
        norm_conv2d_backward(ex, s, {out[7]}, input, ex.in(w), nullptr, out[10], nullptr, out[11]);
      },
      [&](const std::vector<Floats>& out) {
        for (std::size_t c = 0; c < index(s.k); ++c) {
          ASSERT_NEAR(out[3][c], out[5][c], 4 * unit * std::abs(out[5][c])) << "dgamma " << c;
          ASSERT_NEAR(out[4][c], out[6][c], 4 * unit * std::abs(out[6][c])) << "dbeta " << c;
        }
        const auto expect_close = [](const Floats& actual, const Floats& expected) {
          const double size = std::sqrt(dot(expected, expected) / double(expected.size()));
          ASSERT_GT(size, 0.1);
          expect_within(actual, widen(expected), [&](std::size_t) { return 1e-4 * size; });
        };
        expect_close(out[8], out[10]);
        expect_close(out[9], out[11]);
      });
}

TEST(NormConv2dBackwardContract, RefusesShapesThatDoNotFit) {
  const Conv2dShape s{.n = 1, .h = 4, .w = 4, .c = 0, .k = 1, .r = 3, .s = 3};
  const Conv2dShape wider{.n = 1, .h = 4, .w = 4, .c = 3, .k = 1, .r = 3, .s = 3};
  const InputNorm narrow{nullptr, nullptr, nullptr, Activation::none, 2};
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    EXPECT_SHAPE_ERROR(norm_conv2d_backward(ex, s, {nullptr}, {nullptr}, nullptr, nullptr, nullptr,
                                            nullptr, nullptr),
                       "must be at least 1, but one is 0");
    EXPECT_SHAPE_ERROR(norm_conv2d_backward(ex, wider, {nullptr}, {nullptr, &narrow}, nullptr,
                                            nullptr, nullptr, nullptr, nullptr),
                       "3 channels of an array that has a pitch of 2");
    EXPECT_SHAPE_ERROR(
        batch_norm_gradient_coefficients(ex, {0, 3}, nullptr, nullptr, nullptr, nullptr, nullptr,
                                         nullptr, nullptr, nullptr),
        "0 rows and 3 channels");
  }
}

}  // namespace
}  // namespace trifold::kernels
