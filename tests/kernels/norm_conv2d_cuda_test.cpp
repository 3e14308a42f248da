// What tests/kernels/norm_conv2d_test.cpp can't ask of every device: each tile and each precision.
#include <algorithm>
#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/conv2d.h"
#include "kernels/norm_conv2d.h"
#include "kernels/packed_conv2d.h"
#include "tests/kernels/support_conv2d.h"
#include "tests/kernels/support_conv2d_tiles.h"
#include "tests/kernels/support_norm_conv2d.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/batch_norm.h"
#include "tests/oracle/norm_conv2d.h"

namespace trifold::kernels {
namespace {

using namespace test;
using cuda::Conv2dTile;
using oracle::Conv2dCase;

struct Results {
  Floats y, statistics, plain_y, plain_statistics, g, sums, dw;
};

/// `shift` floats after a 16-byte boundary.
Results run_all(const Trial& trial, const Conv2dShape& s, const NormConv2dInputs& in,
                std::int64_t shift) {
  const auto shifted = [&](const Floats& values) {
    Floats longer(index(shift), 0.0f);
    longer.insert(longer.end(), values.begin(), values.end());
    return longer;
  };
  std::vector<Floats> out = outputs_of(
      trial,
      {nans(s.y_size() + shift), nans(3 * s.k), nans(s.y_size() + shift), nans(3 * s.k),
       nans(s.x_size() + shift), nans(2 * s.c), nans(s.w_size())},
      [&](const Trial& ex, const std::vector<float*>& to) {
        const auto put = [&](const Floats& values) { return ex.in(shifted(values)) + shift; };
        const float *x = put(in.x), *w = put(in.w), *dy = put(in.dy);
        const InputNorm norm{put(in.norm.mean), put(in.norm.scale), put(in.norm.shift),
                             in.norm.relu ? Activation::relu : Activation::none};
        norm_conv2d_forward(ex, s, x, &norm, w, to[0] + shift, to[1]);
        norm_conv2d_forward(ex, s, x, nullptr, w, to[2] + shift, to[3]);
        norm_conv2d_backward(ex, s, {dy}, {x, &norm}, w, nullptr, to[4] + shift, to[5], to[6]);
      });
  for (const std::size_t i : {0u, 2u, 4u}) out[i].erase(out[i].begin(), out[i].begin() + shift);
  return {out[0], out[1], out[2], out[3], out[4], out[5], out[6]};
}

void expect_same_bits(const Results& a, const Results& b) {
  EXPECT_TRUE(same_bits(a.y, b.y));
  EXPECT_TRUE(same_bits(a.statistics, b.statistics));
  EXPECT_TRUE(same_bits(a.plain_y, b.plain_y));
  EXPECT_TRUE(same_bits(a.plain_statistics, b.plain_statistics));
  EXPECT_TRUE(same_bits(a.g, b.g));
  EXPECT_TRUE(same_bits(a.sums, b.sums));
  EXPECT_TRUE(same_bits(a.dw, b.dw));
}

/// The statistics are those of y as it was stored, whatever was rounded before.
void expect_statistics_of(const Floats& y, const Floats& statistics) {
  const std::size_t k = statistics.size() / 3;
  const auto exact = oracle::batch_statistics(static_cast<std::int64_t>(k), widen(y));
  for (std::size_t c = 0; c < k; ++c) {
    const double mean = double{statistics[c]} + statistics[k + c], std = std::sqrt(exact.var[c]);
    ASSERT_NEAR(mean, exact.mean[c], 16 * unit * std + 1e-11 * std::abs(exact.mean[c])) << c;
    ASSERT_NEAR(statistics[c], exact.mean[c], unit * std::abs(exact.mean[c]) + 16 * unit * std)
        << c;
    ASSERT_NEAR(statistics[2 * k + c], exact.var[c], 64 * unit * exact.var[c]) << c;
  }
}

/// The gradient's sums are those of g as it was stored.
void expect_sums_of(const Results& r, const NormConv2dInputs& in) {
  const std::size_t c = in.norm.mean.size();
  Doubles sums(2 * c, 0.0), sizes(2 * c, 0.0);
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const double g = r.g[i], off = double{in.x[i]} - in.norm.mean[i % c];
    sums[i % c] += g;
    sums[c + i % c] += g * off;
    sizes[i % c] += std::abs(g);
    sizes[c + i % c] += std::abs(g * off);
  }
  expect_within(r.sums, sums, [&](std::size_t i) { return 64 * unit * sizes[i]; });
}

class NormConv2dOnGpu : public EachConv2dTile {
 protected:
  /// Of a sum of `terms` products, relative to their sizes; tensor cores may truncate.
  static double bound(std::int64_t terms) {
    const double u = operand_error(precision());
    return u * (2 + u) + static_cast<double>(terms + 6) * unit * (u > 0 ? 2 : 1);
  }
};

INSTANTIATE_TEST_SUITE_P(TilesAndPrecisions, NormConv2dOnGpu, all_conv2d_tiles_and_precisions(),
                         name_of_tile);

// As inference has it: a norm in front, and bias, residual and ReLU behind.
TEST_P(NormConv2dOnGpu, PackedForwardEqualsTheOracleOnWholeNumbers) {
  for (const Conv2dCase& t : small_conv2d_cases()) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    const NormConv2dInputs in = whole_numbers(s, true);
    const Floats b = integers(s.k, 7), residual = integers(s.y_size(), 8);
    Doubles expected = oracle::norm_conv2d_forward(t, in.norm, in.x, in.w).value;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = std::max(expected[i] + b[i % index(s.k)] + residual[i], 0.0);
    }
    const std::vector<Floats> out = outputs_of(
        trial(), {nans(s.y_size())}, [&](const Trial& ex, const std::vector<float*>& to) {
          const InputNorm norm = in.on(ex);
          conv2d_packed_forward(ex, s, ex.in(in.x), &norm, ex.in(in.w), ex.in(b), ex.in(residual),
                                Activation::relu, to[0]);
        });
    expect_equal(out[0], expected);
    if (HasFailure()) return;
  }
}

TEST_P(NormConv2dOnGpu, EqualsTheOracleOnWholeNumbers) {
  bool relu = false;
  for (const Conv2dCase& t : small_conv2d_cases()) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    relu = !relu;
    const NormConv2dInputs in = whole_numbers(s, relu);
    const Results r = run_all(trial(), s, in, 0);
    expect_equal(r.y, oracle::norm_conv2d_forward(t, in.norm, in.x, in.w).value);
    expect_equal(r.plain_y, oracle::conv2d_forward(t, in.x, in.w, Floats(index(s.k))).value);
    const oracle::NormGradient gradient =
        oracle::norm_conv2d_backward_data(t, in.norm, in.dy, in.w, in.x);
    expect_equal(r.g, gradient.g.value);
    expect_equal(r.sums, gradient.sums.value);
    expect_equal(r.dw, oracle::norm_conv2d_backward_weight(t, in.norm, in.x, in.dy).value);
    expect_statistics_of(r.y, r.statistics);
    expect_statistics_of(r.plain_y, r.plain_statistics);
    if (HasFailure()) return;
  }
}

TEST_P(NormConv2dOnGpu, StaysInBoundAndRepeatsItsBits) {
  for (const Conv2dCase& t :
       {Conv2dCase{2, 9, 9, 8, 20, 3, 3, 1, 1}, Conv2dCase{3, 11, 10, 13, 23, 3, 3, 2, 1},
        Conv2dCase{2, 10, 12, 68, 72, 1, 1, 3, 0}, Conv2dCase{1, 16, 17, 4, 132, 5, 2, 1, 1}}) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    for (const bool relu : {false, true}) {
      const NormConv2dInputs in = reals(s, relu);
      const Results r = run_all(trial(), s, in, 0);
      const auto expect_sums = [&](const Floats& actual, const oracle::Sums& exact,
                                   std::int64_t terms) {
        expect_within(actual, exact.value,
                      [&](std::size_t i) { return bound(terms) * exact.magnitude[i]; });
      };
      expect_sums(r.y, oracle::norm_conv2d_forward(t, in.norm, in.x, in.w), t.r * t.s * t.c);
      expect_sums(r.dw, oracle::norm_conv2d_backward_weight(t, in.norm, in.x, in.dy),
                  t.n * t.p() * t.q());
      if (!relu) {  // with it, whether a gradient passes may depend on a rounding
        expect_sums(r.g, oracle::norm_conv2d_backward_data(t, in.norm, in.dy, in.w, in.x).g,
                    t.r * t.s * t.k);
      }
      expect_statistics_of(r.y, r.statistics);
      expect_sums_of(r, in);
      expect_same_bits(r, run_all(trial(), s, in, 0));
      if (HasFailure()) return;
    }
  }
}

// The ReLU mask is of a of the forward pass, so the two agree even on what rounding made zero.
TEST_P(NormConv2dOnGpu, GateIsThatOfTheStandaloneNorm) {
  const Conv2dShape s{.n = 2, .h = 9, .w = 7, .c = 12, .k = 8, .r = 1, .s = 1};
  const NormConv2dInputs in = reals(s, true);
  const Results r = run_all(trial(), s, in, 0);
  const Floats a =
      outputs_of(trial(), {nans(s.x_size())}, [&](const Trial& ex, const std::vector<float*>& to) {
        batch_norm_apply(ex, {s.n * s.h * s.w, s.c}, ex.in(in.x), ex.in(in.norm.mean),
                         ex.in(in.norm.scale), ex.in(in.norm.shift), nullptr, Activation::relu,
                         to[0]);
      })[0];
  std::int64_t open = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i] > 0, r.g[i] != 0) << i;
    open += a[i] > 0 ? 1 : 0;
  }
  EXPECT_GT(open, s.x_size() / 4);
}

// One float after a 16-byte boundary nothing can be read as a vector. Products are added in the
// same order; the statistics' threads have other rows.
TEST_P(NormConv2dOnGpu, TakesArraysAtAnyAddress) {
  const Conv2dCase t{2, 9, 7, 8, 12, 3, 3, 1, 1};
  const Conv2dShape s = shape_of(t);
  const NormConv2dInputs in = reals(s, true);
  const Results aligned = run_all(trial(), s, in, 0), shifted = run_all(trial(), s, in, 1);
  EXPECT_TRUE(same_bits(aligned.y, shifted.y));
  EXPECT_TRUE(same_bits(aligned.g, shifted.g));
  EXPECT_TRUE(same_bits(aligned.dw, shifted.dw));
  expect_statistics_of(shifted.y, shifted.statistics);
  expect_sums_of(shifted, in);
}

// More than a thousand tiles are added in two steps, and neither a mean of ten thousand standard
// deviations nor a first sample far from it does harm.
TEST(NormConv2dTiles, ManyUnderALargeMean) {
  if (devices().size() < 2) GTEST_SKIP() << "there is no GPU";
  cuda::force_conv2d_tile(Conv2dTile::r64c32);
  cuda::force_conv2d_fused_backward(false);
  for (const std::int64_t c : {1, 4}) {
    const Conv2dShape s{.n = 1, .h = 257, .w = 263, .c = c, .k = c, .r = 1, .s = 1};
    NormConv2dInputs in = reals(s, true);
    in.x = normals(s.x_size(), 7, 1e4, 1);
    std::fill(in.w.begin(), in.w.end(), 0.0f);
    for (std::int64_t i = 0; i < c; ++i) in.w[index(i * c + i)] = 1;
    std::fill(in.norm.mean.begin(), in.norm.mean.end(), 1e4f);
    for (const bool far_first : {false, true}) {
      if (far_first) in.x[0] = 0;
      const Results r = run_all(Trial(devices()[1]), s, in, 0);
      EXPECT_TRUE(same_bits(r.plain_y, in.x));
      expect_statistics_of(r.plain_y, r.plain_statistics);
      expect_sums_of(r, in);
    }
  }
  cuda::release_conv2d_tile();
  cuda::release_conv2d_fused_backward();
}

}  // namespace
}  // namespace trifold::kernels
