/// What a convolution leaves of the norms beside it, in the launches that add up its sums: the bits of
/// the ops that would make it of those sums.
#include <algorithm>

#include "kernels/batch_norm.h"
#include "kernels/cuda/conv2d/plan.h"
#include "kernels/norm_conv2d.h"
#include "tests/kernels/support_conv2d.h"
#include "tests/kernels/support_norm_conv2d_backward.h"
#include "tests/kernels/support_ops.h"

namespace trifold::kernels {
namespace {

using namespace test;
using oracle::Conv2dCase;

constexpr float eps = 1e-5f, momentum = 0.25f;

/// A few tiles, and more than one launch adds up.
const Conv2dCase few_tiles{2, 9, 7, 5, 23, 3, 3, 1, 1}, many_tiles{4, 190, 183, 2, 3, 1, 1, 1, 0};

/// Each of the last `count` arrays is that as many before it.
void expect_pairs(const std::vector<Floats>& out, std::size_t count) {
  for (std::size_t i = out.size() - count; i < out.size(); ++i) {
    EXPECT_TRUE(same_bits(out[i], out[i - count])) << "array " << i;
  }
}

void expect_factors_of_the_forward_pass(const Conv2dCase& t) {
  SCOPED_TRACE(name(t));
  const Conv2dShape s = shape_of(t);
  const Floats x = normals(s.x_size(), 1, 3, 2), w = normals(s.w_size(), 2);
  const Floats gamma = normals(s.k, 3), beta = normals(s.k, 4);
  std::vector<Floats> arrays{nans(s.y_size()), nans(3 * s.k)};
  for (const int repetition : {1, 2}) {
    static_cast<void>(repetition);
    for (int i = 0; i < 4; ++i) arrays.push_back(nans(s.k));
    arrays.push_back(normals(s.k, 5));
    arrays.push_back(normals(s.k, 6, 2, 0.1));
  }
  run_everywhere(
      arrays,
      [&](const Trial& ex, const std::vector<float*>& out) {
        const float *g = ex.in(gamma), *b = ex.in(beta);
        const BatchNormFactors factors{g,      b,      eps,    momentum, out[2],
                                       out[3], out[4], out[5], out[6],   out[7]};
        norm_conv2d_forward(ex, s, ex.in(x), nullptr, ex.in(w), out[0], out[1], &factors);
        batch_norm_factors(ex, {s.n * s.p() * s.q(), s.k}, out[1], g, b, eps, momentum, out[8],
                           out[9], out[10], out[11], out[12], out[13]);
      },
      [](const std::vector<Floats>& out) { expect_pairs(out, 6); });
}

void expect_coefficients_of_the_backward_pass(const Conv2dCase& t) {
  SCOPED_TRACE(name(t));
  const Conv2dShape s = shape_of(t);
  const NormConv2dBackwardInputs in =
      norm_conv2d_backward_inputs(s, false, true, true, false, true);
  const Floats inv_std = normals(s.c, 21, 0.6, 0.05), gamma = normals(s.c, 22);
  std::vector<Floats> arrays{nans(s.x_size()), nans(2 * s.c), nans(s.w_size())};
  arrays.resize(13, nans(s.c));
  run_everywhere(
      arrays,
      [&](const Trial& ex, const std::vector<float*>& out) {
        const InputNorm norm{ex.in(in.norm.mean), ex.in(in.norm.scale), ex.in(in.norm.shift),
                             Activation::relu};
        const float *inv = ex.in(inv_std), *g = ex.in(gamma);
        const BatchNormCoefficients coefficients{inv, g, out[3], out[4], out[5], out[6], out[7]};
        norm_conv2d_backward(ex, s,
                             {ex.in(in.dy.g), ex.in(in.dy.y), ex.in(in.dy.mean), ex.in(in.dy.scale),
                              ex.in(in.dy.coefficient), ex.in(in.dy.constant)},
                             {ex.in(in.input.x), &norm, nullptr}, ex.in(in.w), ex.in(in.added),
                             out[0], out[1], out[2], &coefficients);
        batch_norm_gradient_coefficients(ex, {s.n * s.h * s.w, s.c}, inv, g, out[1], out[8], out[9],
                                         out[10], out[11], out[12]);
      },
      [](const std::vector<Floats>& out) { expect_pairs(out, 5); });
}

TEST(NormConv2dFactors, ForwardLeavesThoseOfItsStatistics) {
  expect_factors_of_the_forward_pass(few_tiles);
}

TEST(NormConv2dFactors, BackwardLeavesTheCoefficientsOfItsSums) {
  cuda::force_conv2d_fused_backward(true);
  expect_coefficients_of_the_backward_pass(few_tiles);
  cuda::release_conv2d_fused_backward();
}

TEST(NormConv2dFactors, BackwardInHalvesLeavesThemToo) {
  cuda::force_conv2d_fused_backward(false);
  expect_coefficients_of_the_backward_pass(few_tiles);
  cuda::release_conv2d_fused_backward();
}

TEST(NormConv2dFactors, AddsUpManyTiles) {
  expect_factors_of_the_forward_pass(many_tiles);
  cuda::force_conv2d_fused_backward(false);
  expect_coefficients_of_the_backward_pass(many_tiles);
  cuda::release_conv2d_fused_backward();
}

// One launch adds the parts of both halves: those of the weights as they are added alone.
TEST(NormConv2dFactors, WeightsPartsAreAddedInOneOrder) {
  if (devices().size() < 2) GTEST_SKIP() << "there is no GPU";
  cuda::force_conv2d_fused_backward(false);
  for (const Conv2dCase& t :
       {Conv2dCase{2, 33, 31, 5, 23, 3, 3, 1, 1}, Conv2dCase{1, 2, 2, 3, 4, 1, 1, 1, 0}}) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    const NormConv2dBackwardInputs in =
        norm_conv2d_backward_inputs(s, false, false, true, true, false);
    const std::vector<Floats> out = outputs_of(
        Trial(devices()[1]),
        {nans(s.x_size()), nans(2 * s.c), nans(s.w_size()), nans(s.w_size()), nans(s.w_size())},
        [&](const Trial& ex, const std::vector<float*>& to) {
          const InputNorm norm{ex.in(in.norm.mean), ex.in(in.norm.scale), ex.in(in.norm.shift),
                               Activation::relu};
          const float *a = ex.in(in.input.a), *dy = ex.in(in.dy.g), *w = ex.in(in.w);
          const ConvInput input{ex.in(in.input.x), &norm, a};
          norm_conv2d_backward(ex, s, {dy}, input, w, nullptr, to[0], to[1], to[2]);
          norm_conv2d_backward(ex, s, {dy}, input, w, nullptr, nullptr, nullptr, to[3]);
          conv2d_backward_weight(ex, s, a, dy, to[4], nullptr);
        });
    EXPECT_TRUE(same_bits(out[2], out[4]));
    EXPECT_TRUE(same_bits(out[3], out[4]));
  }
  cuda::release_conv2d_fused_backward();
}

TEST(NormConv2dFactors, GradientSumsLeaveTheirCoefficients) {
  for (const BatchNormShape& s : {BatchNormShape{97, 45}, BatchNormShape{9001, 5}}) {
    const std::int64_t size = s.rows * s.channels;
    const Floats x = normals(size, 1, 0.5, 2), y = normals(size, 2), dy = normals(size, 3);
    const Floats mean = normals(s.channels, 4, 0.5, 0.1), gamma = normals(s.channels, 5);
    const Floats inv_std = normals(s.channels, 6, 0.6, 0.05);
    std::vector<Floats> arrays{nans(2 * s.channels)};
    arrays.resize(11, nans(s.channels));
    run_everywhere(
        arrays,
        [&](const Trial& ex, const std::vector<float*>& out) {
          const float *inv = ex.in(inv_std), *g = ex.in(gamma);
          const BatchNormCoefficients coefficients{inv, g, out[1], out[2], out[3], out[4], out[5]};
          batch_norm_gradient_sums(ex, s, ex.in(x), ex.in(y), ex.in(mean), ex.in(dy), nullptr,
                                   out[0], &coefficients);
          batch_norm_gradient_coefficients(ex, s, inv, g, out[0], out[6], out[7], out[8], out[9],
                                           out[10]);
        },
        [](const std::vector<Floats>& out) { expect_pairs(out, 5); });
  }
}

}  // namespace
}  // namespace trifold::kernels
