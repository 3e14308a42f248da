// What tests/kernels/norm_conv2d_backward_test.cpp can't ask of every device: each tile and each
// precision.
#include <algorithm>
#include <array>

#include "kernels/norm_conv2d.h"
#include "tests/kernels/support_conv2d.h"
#include "tests/kernels/support_conv2d_tiles.h"
#include "tests/kernels/support_norm_conv2d.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/norm_conv2d_backward.h"

namespace trifold::kernels {
namespace {

using namespace test;
using oracle::Conv2dCase;

/// A stored residual add, or a lazy batch norm, and whether dy is deferred.
struct Variant {
  bool deferred, residual_added;
};
constexpr std::array variants{Variant{true, true}, Variant{true, false}, Variant{false, true}};

std::string name(const Conv2dCase& t, const Variant& variant) {
  return test::name(t) + (variant.deferred ? ", dy deferred" : "") +
         (variant.residual_added ? ", a stored" : "");
}

struct Inputs {
  NormConv2dInputs conv;
  oracle::OutputGradient dy;
  Floats a, added;

  oracle::ConvInput input() const { return {conv.x, &conv.norm, a}; }
};

Inputs inputs(const Conv2dShape& s, const Variant& variant, NormConv2dInputs conv,
              const auto& fill) {
  oracle::OutputGradient dy;
  dy.g = conv.dy;
  if (variant.deferred) {
    dy = {conv.dy,       fill(s.y_size(), 11), fill(s.k, 12),
          fill(s.k, 13), fill(s.k, 14),        fill(s.k, 15)};
  }
  if (!variant.residual_added) return {std::move(conv), dy, {}, {}};
  Floats a = fill(s.x_size(), 16);
  for (float& value : a) value = std::max(value, 0.0f);
  return {std::move(conv), dy, a, fill(s.x_size(), 17)};
}

struct Results {
  Floats g, sums, dw;
};

/// All arrays lie `shift` floats after a 16-byte boundary.
Results run(const Trial& trial, const Conv2dShape& s, const Inputs& in, std::int64_t shift) {
  std::vector<Floats> out = outputs_of(
      trial, {nans(s.x_size() + shift), nans(2 * s.c), nans(s.w_size())},
      [&](const Trial& ex, const std::vector<float*>& to) {
        const auto put = [&](const Floats& values) -> const float* {
          if (values.empty()) return nullptr;
          Floats shifted(index(shift), 0.0f);
          shifted.insert(shifted.end(), values.begin(), values.end());
          return ex.in(shifted) + shift;
        };
        const oracle::InputNorm& from = in.conv.norm;
        const InputNorm norm{put(from.mean), put(from.scale), put(from.shift),
                             from.relu ? Activation::relu : Activation::none};
        norm_conv2d_backward(ex, s,
                             {put(in.dy.g), put(in.dy.y), put(in.dy.mean), put(in.dy.scale),
                              put(in.dy.coefficient), put(in.dy.constant)},
                             {put(in.conv.x), &norm, put(in.a)}, put(in.conv.w), put(in.added),
                             to[0] + shift, to[1], to[2]);
      });
  out[0].erase(out[0].begin(), out[0].begin() + shift);
  return {out[0], out[1], out[2]};
}

class NormConv2dBackwardOnGpu : public EachConv2dTile {};

INSTANTIATE_TEST_SUITE_P(TilesAndPrecisions, NormConv2dBackwardOnGpu,
                         all_conv2d_tiles_and_precisions(), name_of_tile);

TEST_P(NormConv2dBackwardOnGpu, EqualsTheOracleOnWholeNumbers) {
  const auto fill = [](std::int64_t count, std::uint64_t seed) { return integers(count, seed, 2); };
  std::size_t next = 0;
  for (const Conv2dCase& t : small_conv2d_cases()) {
    const Variant variant = variants[next++ % variants.size()];
    SCOPED_TRACE(name(t, variant));
    const Conv2dShape s = shape_of(t);
    const Inputs in = inputs(s, variant, whole_numbers(s, true), fill);
    const Results r = run(trial(), s, in, 0);
    const oracle::ConvGradients exact =
        oracle::norm_conv2d_backward(t, in.dy, in.input(), in.conv.w, in.added, 0);
    expect_equal(r.g, exact.g.value);
    expect_equal(r.sums, exact.sums.value);
    expect_equal(r.dw, exact.dw.value);
    if (HasFailure()) return;
  }
}

// Without 16-byte vectors too: products are added in the same order, sums are not.
TEST_P(NormConv2dBackwardOnGpu, RepeatsItsBitsAtAnyAddress) {
  const auto fill = [](std::int64_t count, std::uint64_t seed) { return normals(count, seed); };
  for (const Conv2dCase& t :
       {Conv2dCase{2, 9, 7, 8, 20, 3, 3, 1, 1}, Conv2dCase{2, 9, 10, 12, 68, 3, 3, 2, 1}}) {
    for (const Variant& variant : variants) {
      SCOPED_TRACE(name(t, variant));
      const Conv2dShape s = shape_of(t);
      const Inputs in = inputs(s, variant, reals(s, true), fill);
      const Results first = run(trial(), s, in, 0), second = run(trial(), s, in, 0);
      EXPECT_TRUE(same_bits(first.g, second.g));
      EXPECT_TRUE(same_bits(first.sums, second.sums));
      EXPECT_TRUE(same_bits(first.dw, second.dw));
      const Results shifted = run(trial(), s, in, 1);
      EXPECT_TRUE(same_bits(first.g, shifted.g));
      EXPECT_TRUE(same_bits(first.dw, shifted.dw));
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace trifold::kernels
