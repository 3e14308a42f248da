/// kernels::norm_conv2d_backward on a GPU by the fused kernel: each of its tiles
/// and precisions.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/conv2d/plan.h"
#include "kernels/norm_conv2d.h"
#include "tests/kernels/support_conv2d.h"
#include "tests/kernels/support_norm_conv2d_backward.h"
#include "tests/kernels/support_ops.h"
#if defined(SIMT_EMULATED)
#include "kernels/simt/emulator.h"
#endif

namespace trifold::kernels {
namespace {

using namespace test;
using oracle::Conv2dCase;

/// What is asked of the kernel beside a shape.
struct Variant {
  const char* name;
  bool deferred;           ///< dy, of a norm's g and y
  bool normed, stored;     ///< a, of x: behind a norm, of which it is stored
  bool relu = true;        ///< of that norm
  std::int64_t pitch = 0;  ///< of x, more than c
  bool added = false, in_place = false;
  bool wants_g = true;
  std::int64_t shift = 0;  ///< floats of all arrays past a 16-byte boundary
};

constexpr std::array variants{
    Variant{.name = "dy and a as they are", .deferred = false, .normed = false, .stored = false},
    Variant{.name = "all deferred", .deferred = true, .normed = true, .stored = false},
    Variant{.name = "without ReLU, of a wider array",
            .deferred = true,
            .normed = true,
            .stored = false,
            .relu = false,
            .pitch = 3},
    Variant{.name = "of a wider array, in vectors, a gradient added",
            .deferred = true,
            .normed = true,
            .stored = false,
            .pitch = 4,
            .added = true},
    Variant{.name = "behind a residual add, added in place",
            .deferred = true,
            .normed = true,
            .stored = true,
            .added = true,
            .in_place = true},
    Variant{.name = "a plain input, a gradient added",
            .deferred = true,
            .normed = false,
            .stored = false,
            .added = true},
    Variant{.name = "dw alone", .deferred = true, .normed = true, .stored = true, .wants_g = false},
    Variant{.name = "at odd addresses",
            .deferred = true,
            .normed = true,
            .stored = true,
            .added = true,
            .shift = 1},
};

NormConv2dBackwardInputs inputs(const Conv2dShape& s, const Variant& variant, bool whole) {
  return norm_conv2d_backward_inputs(s, whole, variant.deferred, variant.relu, variant.stored,
                                     variant.added);
}

struct Results {
  Floats g, sums, dw;
};

Results run(const Trial& trial, const Conv2dShape& s, const Variant& variant,
            const NormConv2dBackwardInputs& in) {
  const auto shifted = [&](const Floats& values) {
    Floats longer(index(variant.shift), 0.0f);
    longer.insert(longer.end(), values.begin(), values.end());
    return longer;
  };
  std::vector<Floats> out = outputs_of(
      trial,
      {shifted(variant.in_place ? in.added : nans(s.x_size())), nans(2 * s.c),
       shifted(nans(s.w_size()))},
      [&](const Trial& ex, const std::vector<float*>& to) {
        const auto put = [&](const Floats& values) {
          return values.empty() ? nullptr : ex.in(shifted(values)) + variant.shift;
        };
        const OutputGradient dy{put(in.dy.g),     put(in.dy.y),           put(in.dy.mean),
                                put(in.dy.scale), put(in.dy.coefficient), put(in.dy.constant)};
        const InputNorm norm{put(in.norm.mean), put(in.norm.scale), put(in.norm.shift),
                             variant.relu ? Activation::relu : Activation::none,
                             variant.pitch > 0 ? s.c + variant.pitch : 0};
        const ConvInput input{put(spread(in.input.x, s.c, s.c + variant.pitch, nan)),
                              variant.normed ? &norm : nullptr, put(in.input.a)};
        float* g = to[0] + variant.shift;
        norm_conv2d_backward(ex, s, dy, input, put(in.w), variant.in_place ? g : put(in.added),
                             variant.wants_g ? g : nullptr,
                             variant.wants_g && variant.normed ? to[1] : nullptr,
                             to[2] + variant.shift);
      });
  for (const std::size_t i : {0u, 2u}) out[i].erase(out[i].begin(), out[i].begin() + variant.shift);
  return {out[0], out[1], out[2]};
}

/// The sums are those of g as it was stored.
void expect_sums_of(const Results& r, const NormConv2dBackwardInputs& in) {
  const std::size_t c = in.norm.mean.size();
  Doubles sums(2 * c, 0.0), sizes(2 * c, 0.0);
  for (std::size_t i = 0; i < in.input.x.size(); ++i) {
    const double g = r.g[i], off = double{in.input.x[i]} - in.norm.mean[i % c];
    sums[i % c] += g;
    sums[c + i % c] += g * off;
    sizes[i % c] += std::abs(g);
    sizes[c + i % c] += std::abs(g * off);
  }
  expect_within(r.sums, sums, [&](std::size_t i) { return 64 * unit * sizes[i]; });
}

/// Every tile, its channels and filters full and not, in windows of every kind, on images smaller
/// than a square, of several, and with as many squares as don't fill the last tile.
const std::vector<Conv2dCase> cases{
    {3, 9, 11, 16, 16, 3, 3, 1, 1}, {1, 8, 8, 1, 1, 3, 3, 1, 1},    {5, 3, 2, 5, 7, 3, 3, 1, 1},
    {2, 9, 7, 37, 12, 3, 3, 1, 1},  {1, 17, 9, 32, 16, 3, 2, 1, 0}, {2, 7, 9, 20, 20, 3, 3, 1, 1},
    {3, 8, 10, 13, 31, 3, 3, 1, 2}, {2, 9, 9, 23, 45, 3, 3, 1, 1},  {1, 10, 8, 16, 64, 3, 3, 1, 0},
    {17, 1, 1, 33, 10, 1, 1, 1, 0}, {2, 16, 8, 48, 64, 1, 1, 1, 0}, {2, 9, 8, 8, 24, 1, 3, 1, 0},
    {2, 5, 6, 4, 3, 2, 2, 1, 1},    {1, 1, 1, 3, 4, 3, 3, 1, 1},    {1, 5, 70, 2, 3, 3, 1, 1, 0},
};

class FusedBackward : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (devices().size() < 2) GTEST_SKIP() << "there is no GPU";
    cuda::force_conv2d_fused_backward(true);
  }
  void TearDown() override { cuda::release_conv2d_fused_backward(); }

  Trial trial() const {
    Trial t(devices()[1]);
    t.precision = GetParam();
    return t;
  }

  /// Of a sum of `terms` products, relative to their sizes; tensor cores may truncate.
  double bound(std::int64_t terms) const {
    const double u = operand_error(GetParam());
    return u * (2 + u) + static_cast<double>(terms + 16) * unit * (u > 0 ? 2 : 1);
  }
};

std::string name_of(const testing::TestParamInfo<Precision>& precision) {
  constexpr std::array names{"fp32", "tf32", "bf16"};
  return names[static_cast<std::size_t>(precision.param)];
}

INSTANTIATE_TEST_SUITE_P(Precisions, FusedBackward,
                         testing::Values(Precision::fp32, Precision::tf32, Precision::bf16),
                         name_of);

TEST_P(FusedBackward, EqualsTheOracleOnWholeNumbers) {
  for (const Conv2dCase& t : cases) {
    const Conv2dShape s = shape_of(t);
    ASSERT_TRUE(cuda::choose_conv2d_fused_backward(s, true)) << name(t);
    for (const Variant& variant : variants) {
      SCOPED_TRACE(name(t) + ", " + variant.name);
      NormConv2dBackwardInputs in = inputs(s, variant, true);
      if (variant.normed) in.input.norm = &in.norm;
      const oracle::ConvGradients exact =
          oracle::norm_conv2d_backward(t, in.dy, in.input, in.w, in.added, 0);
      const Results r = run(trial(), s, variant, in);
      expect_equal(r.dw, exact.dw.value);
      if (variant.wants_g) expect_equal(r.g, exact.g.value);
      if (variant.wants_g && variant.normed) expect_equal(r.sums, exact.sums.value);
      if (HasFailure()) return;
    }
  }
}

TEST_P(FusedBackward, StaysInBoundAndRepeatsItsBits) {
  for (const Conv2dCase& t : cases) {
    const Conv2dShape s = shape_of(t);
    for (const Variant& variant : variants) {
      SCOPED_TRACE(name(t) + ", " + variant.name);
      NormConv2dBackwardInputs in = inputs(s, variant, false);
      if (variant.normed) in.input.norm = &in.norm;
      const oracle::ConvGradients exact =
          oracle::norm_conv2d_backward(t, in.dy, in.input, in.w, in.added, 4 * unit);
      const Results r = run(trial(), s, variant, in), again = run(trial(), s, variant, in);
      expect_within(r.dw, exact.dw.value, [&](std::size_t i) {
        return bound(s.n * s.p() * s.q()) * exact.dw.magnitude[i];
      });
      EXPECT_TRUE(same_bits(r.dw, again.dw));
      if (variant.wants_g) {
        expect_within(r.g, exact.g.value, [&](std::size_t i) {
          return bound(s.r * s.s * s.k) * exact.g.magnitude[i] + exact.uncertainty_of_g[i];
        });
        EXPECT_TRUE(same_bits(r.g, again.g));
      }
      if (variant.wants_g && variant.normed) {
        expect_sums_of(r, in);
        EXPECT_TRUE(same_bits(r.sums, again.sums));
      }
      if (HasFailure()) return;
    }
  }
}

// A part has several tiles, and there are more than one.
TEST_P(FusedBackward, AddsUpManyTiles) {
  const Conv2dCase t{72, 24, 24, 12, 4, 1, 1, 1, 0};
  const Conv2dShape s = shape_of(t);
  const cuda::Conv2dFusedBackward plan = cuda::plan_conv2d_fused_backward(s).value();
  ASSERT_GT(plan.parts, 100);
  ASSERT_GT(plan.tiles_per_part, 1);
  const Variant& variant = variants[1];
  NormConv2dBackwardInputs in = inputs(s, variant, true);
  in.input.norm = &in.norm;
  const oracle::ConvGradients exact =
      oracle::norm_conv2d_backward(t, in.dy, in.input, in.w, in.added, 0);
  const Results r = run(trial(), s, variant, in);
  expect_equal(r.dw, exact.dw.value);
  expect_equal(r.g, exact.g.value);
  expect_equal(r.sums, exact.sums.value);
}

#if defined(SIMT_EMULATED)
/// At compute capability 7.5 a block has 64 KiB of shared memory, and all arithmetic is float32:
/// the tile of 16 channels and 16 filters fits, and others give way to a sequence of kernels.
TEST_P(FusedBackward, GivesWayWhereTheDeviceHasTooLittleSharedMemory) {
  const int claimed = simt::settings().capability;
  simt::settings().capability = 75;
  const auto gives_way = [&](const Conv2dCase& t) {
    const Conv2dShape s = shape_of(t);
    NormConv2dBackwardInputs in = inputs(s, variants[1], false);
    in.input.norm = &in.norm;
    const Results r = run(trial(), s, variants[1], in);
    cuda::force_conv2d_fused_backward(false);
    const Results sequence = run(trial(), s, variants[1], in);
    cuda::force_conv2d_fused_backward(true);
    return same_bits(r.dw, sequence.dw);
  };
  EXPECT_FALSE(gives_way({2, 9, 9, 16, 16, 3, 3, 1, 1}));
  EXPECT_TRUE(gives_way({2, 9, 9, 32, 16, 3, 3, 1, 1}));
  EXPECT_TRUE(gives_way({2, 9, 9, 16, 32, 3, 3, 1, 1}));
  EXPECT_TRUE(gives_way({2, 9, 9, 16, 64, 3, 3, 1, 1}));
  EXPECT_FALSE(gives_way({2, 9, 9, 16, 32, 1, 1, 1, 0})) << "one tap has room";
  simt::settings().capability = claimed;
}
#endif

TEST(FusedBackwardPlan, TakesShapesOfFewFiltersAndUnitStride) {
  const Conv2dShape s{
      .n = 128, .h = 32, .w = 32, .c = 16, .k = 16, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const auto with = [&](auto change) {
    Conv2dShape other = s;
    change(other);
    return cuda::plan_conv2d_fused_backward(other);
  };
  EXPECT_TRUE(cuda::plan_conv2d_fused_backward(s));
  EXPECT_TRUE(with([](Conv2dShape& t) { t.k = 64; }));
  EXPECT_FALSE(with([](Conv2dShape& t) { t.k = 65; }));
  EXPECT_FALSE(with([](Conv2dShape& t) { t.stride_w = 2; }));
  EXPECT_FALSE(with([](Conv2dShape& t) { t.r = 4; }));
  EXPECT_FALSE(with([](Conv2dShape& t) { t.n = 1 << 22; }));
}

TEST(FusedBackwardPlan, PartsHoldAllTilesOnce) {
  for (const std::int64_t n : {1, 7, 128, 5000}) {
    for (const std::int64_t k : {1, 17, 64}) {
      const Conv2dShape s{.n = n, .h = 30, .w = 20, .c = 50, .k = k, .r = 3, .s = 3};
      const cuda::Conv2dFusedBackward plan = cuda::plan_conv2d_fused_backward(s).value();
      const std::int64_t squares = n * 4 * 3, at_a_time = cuda::conv2d_fused_squares(plan.filters);
      const std::int64_t tiles = (squares + at_a_time - 1) / at_a_time;
      EXPECT_GE(plan.parts * plan.tiles_per_part, tiles);
      EXPECT_LT((plan.parts - 1) * plan.tiles_per_part, tiles);
      EXPECT_LE(plan.tiles_per_part, 64);
      EXPECT_GE(plan.filters, k);
    }
  }
}

TEST(FusedBackwardPlan, IsChosenWhereItSavesTimeOrIsForced) {
  const auto shape = [](std::int64_t c, std::int64_t k, std::int64_t window) {
    return Conv2dShape{.n = 128, .h = 32, .w = 32, .c = c, .k = k, .r = window, .s = window};
  };
  EXPECT_TRUE(cuda::choose_conv2d_fused_backward(shape(16, 16, 3), true));
  EXPECT_TRUE(cuda::choose_conv2d_fused_backward(shape(32, 32, 3), true));
  EXPECT_FALSE(cuda::choose_conv2d_fused_backward(shape(64, 64, 3), true))
      << "dy is read too often";
  EXPECT_TRUE(cuda::choose_conv2d_fused_backward(shape(16, 16, 1), false));
  EXPECT_FALSE(cuda::choose_conv2d_fused_backward(shape(16, 16, 3), false))
      << "bound by arithmetic";
  cuda::force_conv2d_fused_backward(true);
  EXPECT_TRUE(cuda::choose_conv2d_fused_backward(shape(64, 64, 3), false));
  EXPECT_FALSE(cuda::choose_conv2d_fused_backward(shape(64, 65, 3), false)) << "can't be forced";
  cuda::force_conv2d_fused_backward(false);
  EXPECT_FALSE(cuda::choose_conv2d_fused_backward(shape(16, 16, 3), true));
  cuda::release_conv2d_fused_backward();
}

}  // namespace
}  // namespace trifold::kernels
