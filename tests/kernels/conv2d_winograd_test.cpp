/// Winograd's algorithm against the oracle of the direct formula, within its own bound.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/conv2d.h"
#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/cpu/conv2d/winograd_transforms.h"
#include "tests/kernels/support_conv2d.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/conv2d.h"
#include "tests/oracle/winograd.h"

namespace trifold::kernels {
namespace {

using namespace test;
using cpu::Conv2dAlgorithm;
using oracle::Conv2dCase;

// Whole tiles, tiles over both edges, images smaller than a tile, paddings 0 to 2, widths that fill
// no vector, more channels than are transformed together, more filters than a panel, more weights
// than a level 2 cache holds.
const std::vector<Conv2dCase> cases = {
    {2, 8, 8, 16, 16, 3, 3, 1, 1},   {1, 32, 32, 3, 16, 3, 3, 1, 1},
    {1, 7, 9, 5, 11, 3, 3, 1, 1},    {2, 3, 3, 8, 8, 3, 3, 1, 0},
    {1, 1, 1, 1, 1, 3, 3, 1, 1},     {1, 2, 13, 13, 23, 3, 3, 1, 1},
    {1, 6, 5, 9, 45, 3, 3, 1, 2},    {1, 8, 8, 84, 12, 3, 3, 1, 1},
    {1, 5, 6, 130, 33, 3, 3, 1, 1},  {3, 14, 14, 1, 2, 3, 3, 1, 1},
    {1, 18, 18, 23, 17, 3, 3, 1, 1}, {1, 5, 6, 172, 176, 3, 3, 1, 1}};

struct Winograd : testing::Test {
  void SetUp() override { cpu::force_conv2d_algorithm(Conv2dAlgorithm::winograd); }
  void TearDown() override { cpu::force_conv2d_algorithm(std::nullopt); }
};

void expect_in_bound(const Floats& actual, const Doubles& exact, const Doubles& magnitude,
                     std::int64_t terms, const Conv2dCase& t, const char* what) {
  SCOPED_TRACE(testing::Message() << what << " of " << t.n << "x" << t.h << "x" << t.w << "x" << t.c
                                  << " to " << t.k << ", pad " << t.pad);
  const double factor = static_cast<double>(terms + 32) * unit;
  expect_within(actual, exact, [&](std::size_t i) { return factor * magnitude[i]; });
}

TEST_F(Winograd, StaysWithinItsBoundOnEverySet) {
  for (const Conv2dCase& t : cases) {
    const Conv2dShape s = shape_of(t);
    const Floats x = normals(s.x_size(), 1), w = normals(s.w_size(), 2), b = normals(s.k, 3);
    const Floats dy = normals(s.y_size(), 4), before = normals(s.x_size(), 5);
    run_everywhere(
        {nans(s.y_size()), nans(s.x_size()), before, nans(s.w_size()), nans(s.k)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          conv2d_forward(ex, s, ex.in(x), ex.in(w), ex.in(b), out[0]);
          conv2d_backward_data(ex, s, ex.in(dy), ex.in(w), Write::overwrite, out[1]);
          conv2d_backward_data(ex, s, ex.in(dy), ex.in(w), Write::accumulate, out[2]);
          conv2d_backward_weight(ex, s, ex.in(x), ex.in(dy), out[3], out[4]);
        },
        [&](const std::vector<Floats>& out) {
          Doubles y = oracle::winograd_magnitude_forward(t, x, w);
          for (std::size_t i = 0; i < y.size(); ++i) {
            y[i] += std::abs(b[i % static_cast<std::size_t>(s.k)]);
          }
          expect_in_bound(out[0], oracle::conv2d_forward(t, x, w, b).value, y, s.c, t, "y");
          const Doubles dx_magnitude = oracle::winograd_magnitude_backward_data(t, dy, w);
          const Doubles dx = oracle::conv2d_backward_data(t, dy, w).value;
          expect_in_bound(out[1], dx, dx_magnitude, s.k, t, "dx");
          Doubles sum = dx, sum_magnitude = dx_magnitude;
          for (std::size_t i = 0; i < sum.size(); ++i) {
            sum[i] += before[i];
            sum_magnitude[i] += std::abs(before[i]);
          }
          expect_in_bound(out[2], sum, sum_magnitude, s.k, t, "dx added");
          expect_in_bound(out[3], oracle::conv2d_backward_weight(t, x, dy).value,
                          oracle::winograd_magnitude_backward_weight(t, x, dy), s.n * s.p() * s.q(),
                          t, "dw");
          const oracle::Sums db = oracle::conv2d_backward_bias(t, dy);
          expect_in_bound(out[4], db.value, db.magnitude, s.n * s.p() * s.q(), t, "db");
        });
    if (HasFatalFailure()) return;
  }
}

// The bound is no licence: on usual data the error is a small part of it.
TEST_F(Winograd, LosesAboutADigitToTheDirectMethod) {
  const Conv2dCase t{2, 16, 16, 32, 32, 3, 3, 1, 1};
  const Conv2dShape s = shape_of(t);
  const Floats x = normals(s.x_size(), 1), w = normals(s.w_size(), 2), none(32, 0.0f);
  const Doubles exact = oracle::conv2d_forward(t, x, w, none).value;
  const auto error = [&](Conv2dAlgorithm algorithm) {
    cpu::force_conv2d_algorithm(algorithm);
    Floats y = nans(s.y_size());
    conv2d_forward(Exec{}, s, x.data(), w.data(), nullptr, y.data());
    double squares = 0, size = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      squares += (y[i] - exact[i]) * (y[i] - exact[i]);
      size += exact[i] * exact[i];
    }
    return std::sqrt(squares / size);
  };
  const double direct = error(Conv2dAlgorithm::direct);
  EXPECT_LT(direct, 5e-7);
  EXPECT_LT(error(Conv2dAlgorithm::winograd), 10 * direct);
}

// The widths that pruning leaves.
TEST(Conv2dAlgorithmRule, TakesWinogradForTheChannelsThatAPassReads) {
  using cpu::Conv2dPass;
  const auto of = [](std::int64_t n, std::int64_t c, std::int64_t k, Conv2dPass pass) {
    return cpu::conv2d_algorithm(
        {.n = n, .h = 32, .w = 32, .c = c, .k = k, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1}, pass);
  };
  for (const Conv2dPass pass : {Conv2dPass::forward, Conv2dPass::backward_weight}) {
    EXPECT_EQ(of(128, 5, 3, pass), Conv2dAlgorithm::winograd);
    EXPECT_EQ(of(128, 3, 16, pass), Conv2dAlgorithm::direct);
  }
  EXPECT_EQ(of(128, 3, 5, Conv2dPass::backward_data), Conv2dAlgorithm::winograd);
  EXPECT_EQ(of(128, 16, 3, Conv2dPass::backward_data), Conv2dAlgorithm::direct);
  // One image of 32 x 32 has 64 tiles.
  EXPECT_EQ(of(1, 5, 5, Conv2dPass::forward), Conv2dAlgorithm::winograd);
  EXPECT_EQ(of(1, 5, 5, Conv2dPass::backward_weight), Conv2dAlgorithm::direct);
}

TEST(Conv2dAlgorithmRule, TakesWinogradWhereItPaysAndCan) {
  using cpu::Conv2dPass;
  const Conv2dShape s{
      .n = 1, .h = 8, .w = 8, .c = 16, .k = 16, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const auto with = [&](auto change, Conv2dPass pass = Conv2dPass::forward) {
    Conv2dShape other = s;
    change(other);
    return cpu::conv2d_algorithm(other, pass);
  };
  const auto nothing = [](Conv2dShape&) {};
  EXPECT_EQ(with(nothing), Conv2dAlgorithm::winograd);
  EXPECT_EQ(with(nothing, Conv2dPass::backward_weight), Conv2dAlgorithm::direct);
  EXPECT_EQ(with([](Conv2dShape& o) { o.n = 8; }, Conv2dPass::backward_weight),
            Conv2dAlgorithm::winograd);
  EXPECT_EQ(with([](Conv2dShape& o) { o.h = 4; }), Conv2dAlgorithm::direct);
  EXPECT_EQ(with([](Conv2dShape& o) { o.c = 4, o.n = 128; }), Conv2dAlgorithm::direct);
  EXPECT_EQ(with([](Conv2dShape& o) { o.stride_h = 2; }), Conv2dAlgorithm::direct);
  EXPECT_EQ(with([](Conv2dShape& o) { o.stride_w = 2; }), Conv2dAlgorithm::direct);
  EXPECT_EQ(with([](Conv2dShape& o) { o.r = 1; }), Conv2dAlgorithm::direct);
  cpu::force_conv2d_algorithm(Conv2dAlgorithm::direct);
  EXPECT_EQ(with(nothing), Conv2dAlgorithm::direct);
  cpu::force_conv2d_algorithm(Conv2dAlgorithm::winograd);
  EXPECT_EQ(with([](Conv2dShape& o) { o.c = 3; }), Conv2dAlgorithm::winograd);
  EXPECT_EQ(with([](Conv2dShape& o) { o.stride_h = 2; }), Conv2dAlgorithm::direct);
  cpu::force_conv2d_algorithm(std::nullopt);
}

TEST(WinogradTransforms, ForcedInstructionSetRuns) {
  const ReleaseInstructionSet release;
  for (const InstructionSet set : supported_instruction_sets()) {
    force_instruction_set(set);
    EXPECT_EQ(cpu::winograd_transforms().set, set);
  }
}

}  // namespace
}  // namespace trifold::kernels
