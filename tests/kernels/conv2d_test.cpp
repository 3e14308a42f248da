#include "kernels/conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/cpu/conv2d/register_tiles.h"
#include "kernels/cuda/conv2d/plan.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/instruction_set.h"
#include "kernels/runtime/thread_pool.h"
#include "tests/kernels/support_conv2d.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/conv2d.h"

namespace trifold::kernels {
namespace {

using namespace test;
using oracle::Conv2dCase;

/// One variant of what computes: a device, and on the CPU an instruction set, on a GPU a precision.
struct Variant {
  std::string name{};
  Device device{};
  InstructionSet set = InstructionSet::baseline;
  Precision precision = Precision::fp32;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const InstructionSet set : supported_instruction_sets())
    all.push_back({.name = std::string(to_string(set)), .set = set});
  for (const Device device : devices()) {
    if (device.kind == DeviceKind::cpu) continue;
    all.push_back({.name = "cuda_fp32", .device = device});
    all.push_back({.name = "cuda_tf32", .device = device, .precision = Precision::tf32});
    all.push_back({.name = "cuda_bf16", .device = device, .precision = Precision::bf16});
  }
  return all;
}

struct Inputs {
  Floats x, w, b, dy;
};

Inputs whole_numbers(const Conv2dShape& s) {
  return {integers(s.x_size(), 1, 3), integers(s.w_size(), 2, 3), integers(s.k, 3, 3),
          integers(s.y_size(), 4, 3)};
}

Inputs reals(const Conv2dShape& s) {
  return {normals(s.x_size(), 1), normals(s.w_size(), 2), normals(s.k, 3), normals(s.y_size(), 4)};
}

struct Results {
  Floats y, dx, dw, db;
};

Results run_all(const Trial& trial, const Conv2dShape& s, const Inputs& in) {
  std::vector<Floats> out = outputs_of(
      trial, {nans(s.y_size()), nans(s.x_size()), nans(s.w_size()), nans(s.k)},
      [&](const Trial& ex, const std::vector<float*>& to) {
        const float *x = ex.in(in.x), *w = ex.in(in.w), *b = ex.in(in.b), *dy = ex.in(in.dy);
        conv2d_forward(ex, s, x, w, b, to[0]);
        conv2d_backward_data(ex, s, dy, w, Write::overwrite, to[1]);
        conv2d_backward_weight(ex, s, x, dy, to[2], to[3]);
      });
  return {std::move(out[0]), std::move(out[1]), std::move(out[2]), std::move(out[3])};
}

/// The sums of float32 terms whose factors are rounded to `precision`. Tensor cores may truncate
/// where they add, which doubles the error of a sum.
void expect_sums(const Floats& actual, const oracle::Sums& exact, std::int64_t terms,
                 Precision precision) {
  const double operand = operand_error(precision);
  const double sum = static_cast<double>(terms + 2) * unit * (operand > 0 ? 2 : 1);
  const double bound = operand * (2 + operand) + sum;
  expect_within(actual, exact.value, [&](std::size_t i) { return bound * exact.magnitude[i]; });
}

void expect_same_bits(const Results& a, const Results& b) {
  EXPECT_TRUE(same_bits(a.y, b.y));
  EXPECT_TRUE(same_bits(a.dx, b.dx));
  EXPECT_TRUE(same_bits(a.dw, b.dw));
  EXPECT_TRUE(same_bits(a.db, b.db));
}

class Conv2d : public testing::TestWithParam<Variant> {
 protected:
  // Winograd's algorithm has tests, and a bound, of its own.
  void SetUp() override {
    force_instruction_set(GetParam().set);
    cpu::force_conv2d_algorithm(cpu::Conv2dAlgorithm::direct);
  }
  void TearDown() override {
    release_instruction_set();
    cpu::force_conv2d_algorithm(std::nullopt);
    cuda::release_conv2d_tile();
  }

  bool on_cpu() const { return GetParam().device.kind == DeviceKind::cpu; }

  Trial trial(ThreadPool* pool = nullptr) const {
    Trial t(GetParam().device, pool);
    t.precision = GetParam().precision;
    return t;
  }

  /// Runs body() with each tile of a GPU forced; on the CPU not at all.
  template <class Body>
  void for_each_tile(const Body& body) const {
    if (on_cpu()) return;
    for (const cuda::Conv2dTile tile : cuda::all_conv2d_tiles) {
      const cuda::Conv2dTileExtents e = cuda::extents(tile);
      SCOPED_TRACE("tile " + std::to_string(e.rows) + "x" + std::to_string(e.columns));
      cuda::force_conv2d_tile(tile);
      body();
    }
    cuda::release_conv2d_tile();
  }
};

INSTANTIATE_TEST_SUITE_P(Variants, Conv2d, testing::ValuesIn(variants()),
                         [](const auto& variant) { return variant.param.name; });

TEST_P(Conv2d, ForcedInstructionSetRuns) { EXPECT_EQ(cpu::register_tiles().set, GetParam().set); }

TEST_P(Conv2d, EqualsOracleOnIntegersAndStaysInBoundOnReals) {
  ThreadPool pool(2);
  for (const Conv2dCase& t : small_conv2d_cases()) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    for (const bool exact : {true, false}) {
      const Inputs in = exact ? whole_numbers(s) : reals(s);
      const oracle::Sums y = oracle::conv2d_forward(t, in.x, in.w, in.b);
      const oracle::Sums dx = oracle::conv2d_backward_data(t, in.dy, in.w);
      const oracle::Sums dw = oracle::conv2d_backward_weight(t, in.x, in.dy);
      const oracle::Sums db = oracle::conv2d_backward_bias(t, in.dy);
      const auto compare = [&] {
        const Results r = run_all(trial(&pool), s, in);
        if (exact) {
          expect_equal(r.y, y.value);
          expect_equal(r.dx, dx.value);
          expect_equal(r.dw, dw.value);
          expect_equal(r.db, db.value);
        } else {
          const Precision precision = GetParam().precision;
          expect_sums(r.y, y, t.r * t.s * t.c, precision);
          expect_sums(r.dx, dx, t.r * t.s * t.k, precision);
          expect_sums(r.dw, dw, t.n * t.p() * t.q(), precision);
          expect_sums(r.db, db, t.n * t.p() * t.q(), Precision::fp32);
        }
      };
      compare();
      // The small shapes have every kind of tail, and more than one tile each way.
      const bool is_small = s.y_size() * t.r * t.s * t.c < std::int64_t{1} << 20;
      if (exact && is_small) for_each_tile(compare);
      if (HasFailure()) return;
    }
  }
}

TEST_P(Conv2d, SameBitsForEveryThreadCountAndAgain) {
  ThreadPool two(2), three(3);
  for (const Conv2dCase& t : small_conv2d_cases()) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    const Inputs in = reals(s);
    const Results first = run_all(trial(), s, in);
    expect_same_bits(first, run_all(trial(), s, in));
    for (ThreadPool* pool : {&two, &three})
      if (on_cpu()) expect_same_bits(first, run_all(trial(pool), s, in));
    // The gradients are the adjoints of the forward pass without bias.
    const Floats y = outputs_of(trial(), {nans(s.y_size())}, [&](const Trial& ex, const auto& to) {
      conv2d_forward(ex, s, ex.in(in.x), ex.in(in.w), nullptr, to[0]);
    })[0];
    const double product = dot(y, in.dy),
                 size = std::sqrt(dot(in.dy, in.dy) * dot(in.x, in.x)) * std::sqrt(dot(in.w, in.w));
    const double tolerance = (1e-5 + 2 * operand_error(GetParam().precision)) * size;
    EXPECT_NEAR(dot(in.x, first.dx), product, tolerance);
    EXPECT_NEAR(dot(in.w, first.dw), product, tolerance);
    if (HasFailure()) return;
  }
}

TEST_P(Conv2d, AccumulatesDataGradient) {
  for (const Conv2dCase& t : small_conv2d_cases()) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    const Inputs in = whole_numbers(s);
    const auto dx = [&](Write write, float before) {
      return outputs_of(trial(), {Floats(index(s.x_size()), before)},
                        [&](const Trial& ex, const std::vector<float*>& to) {
                          conv2d_backward_data(ex, s, ex.in(in.dy), ex.in(in.w), write, to[0]);
                        })[0];
    };
    Floats expected = dx(Write::overwrite, nan);
    for (float& e : expected) e += 5.0f;
    EXPECT_EQ(dx(Write::accumulate, 5.0f), expected);
  }
}

TEST_P(Conv2d, BiasMayBeNull) {
  const Conv2dShape s{
      .n = 2, .h = 6, .w = 6, .c = 5, .k = 11, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  Inputs in = reals(s);
  in.b.assign(11, 0.0f);
  const Results with = run_all(trial(), s, in);
  const std::vector<Floats> without =
      outputs_of(trial(), {nans(s.y_size()), nans(s.w_size())},
                 [&](const Trial& ex, const std::vector<float*>& to) {
                   conv2d_forward(ex, s, ex.in(in.x), ex.in(in.w), nullptr, to[0]);
                   conv2d_backward_weight(ex, s, ex.in(in.x), ex.in(in.dy), to[1], nullptr);
                 });
  EXPECT_TRUE(same_bits(without[0], with.y));
  EXPECT_TRUE(same_bits(without[1], with.dw));
}

TEST_P(Conv2d, TakesArraysAtAnyAddress) {
  // Four floats after a 16-byte boundary are read as vectors, one float after it they can't be; the
  // terms are added in the same order.
  for (const Conv2dCase& t :
       {Conv2dCase{2, 9, 7, 8, 12, 3, 3, 1, 1}, Conv2dCase{1, 8, 8, 20, 36, 3, 3, 2, 1}}) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    const Inputs in = reals(s);
    const auto shifted = [](const Floats& values) {
      Floats longer(values.size() + 1, 0.0f);
      std::copy(values.begin(), values.end(), longer.begin() + 1);
      return longer;
    };
    const auto compare = [&] {
      const Results aligned = run_all(trial(), s, in);
      std::vector<Floats> out = outputs_of(
          trial(),
          {nans(s.y_size() + 1), nans(s.x_size() + 1), nans(s.w_size() + 1), nans(s.k + 1)},
          [&](const Trial& ex, const std::vector<float*>& to) {
            const float *x = ex.in(shifted(in.x)) + 1, *w = ex.in(shifted(in.w)) + 1,
                        *b = ex.in(shifted(in.b)) + 1, *dy = ex.in(shifted(in.dy)) + 1;
            conv2d_forward(ex, s, x, w, b, to[0] + 1);
            conv2d_backward_data(ex, s, dy, w, Write::overwrite, to[1] + 1);
            conv2d_backward_weight(ex, s, x, dy, to[2] + 1, to[3] + 1);
          });
      for (Floats& values : out) {
        EXPECT_TRUE(std::isnan(values.front()));
        values.erase(values.begin());
      }
      expect_same_bits(aligned, {out[0], out[1], out[2], out[3]});
    };
    compare();
    for_each_tile(compare);
  }
}

#if defined(SIMT_EMULATED)
TEST(Conv2dPrecision, TheEmulatorHasTensorCoresFromCapability80On) {
  const char* claimed = std::getenv("SIMT_CAPABILITY");
  EXPECT_EQ(has_tensor_cores({DeviceKind::cuda, 0}),
            claimed == nullptr || std::atoi(claimed) >= 80);
}
#endif

/// On tensor cores each precision has results of its own; a GPU without them, and the CPU, compute
/// in float32 whatever is asked.
TEST(Conv2dPrecision, ChoosesTheArithmeticOfADevice) {
  const Conv2dShape s{
      .n = 1, .h = 8, .w = 8, .c = 16, .k = 16, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const Inputs in = reals(s);
  EXPECT_FALSE(has_tensor_cores(Device{}));
  for (const Device device : devices()) {
    SCOPED_TRACE(to_string(device));
    std::vector<Results> results;
    for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      Trial trial(device);
      trial.precision = precision;
      results.push_back(run_all(trial, s, in));
    }
    const bool same = !has_tensor_cores(device);
    for (const std::size_t other : {1u, 2u}) {
      EXPECT_EQ(same_bits(results[0].y, results[other].y), same);
      EXPECT_EQ(same_bits(results[0].dx, results[other].dx), same);
      EXPECT_EQ(same_bits(results[0].dw, results[other].dw), same);
      EXPECT_TRUE(same_bits(results[0].db, results[other].db)) << "sums stay in float32";
    }
    EXPECT_EQ(same_bits(results[1].y, results[2].y), same);
  }
}

/// A NaN reaches what it has a share in, so that a run that diverges is seen to. A GPU's has all
/// bits set but the sign: what rounds it as a number would make it -0.
TEST(Conv2dPrecision, KeepsNaN) {
  const Conv2dShape s{
      .n = 1, .h = 8, .w = 8, .c = 16, .k = 16, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  for (const std::uint32_t bits : {0x7fffffffu, 0xffffffffu, 0x7fc00000u, 0x7f800001u}) {
    Inputs in = reals(s);
    in.x[0] = in.dy[0] = std::bit_cast<float>(bits);
    for (const Device device : devices()) {
      for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
        SCOPED_TRACE(to_string(device) + ", precision " +
                     std::to_string(static_cast<int>(precision)) + ", " + std::to_string(bits));
        Trial trial(device);
        trial.precision = precision;
        const Results r = run_all(trial, s, in);
        // The first pixel's first channel and filter, by the middle tap.
        const std::size_t middle = index(4 * s.c * s.k);
        for (std::size_t i = 0; i < 16; ++i) {
          EXPECT_TRUE(std::isnan(r.y[i])) << "y " << i;
          EXPECT_TRUE(std::isnan(r.dx[i])) << "dx " << i;
          EXPECT_TRUE(std::isnan(r.dw[middle + i])) << "dw, filter " << i;
          EXPECT_TRUE(std::isnan(r.dw[middle + 16 * i])) << "dw, channel " << i;
        }
      }
    }
  }
}

TEST(Conv2dCheck, RejectsShapesThatDoNotFit) {
  const Conv2dShape good{.n = 2, .h = 8, .w = 8, .c = 3, .k = 4, .r = 3, .s = 3, .pad_h = 1};
  EXPECT_NO_THROW(check(good));
  for (auto extent :
       {&Conv2dShape::n, &Conv2dShape::h, &Conv2dShape::w, &Conv2dShape::c, &Conv2dShape::k,
        &Conv2dShape::r, &Conv2dShape::s, &Conv2dShape::stride_h, &Conv2dShape::stride_w}) {
    Conv2dShape bad = good;
    bad.*extent = 0;
    EXPECT_THROW(check(bad), ShapeError);
  }
  Conv2dShape bad = good;
  bad.pad_h = 3;
  EXPECT_THROW(check(bad), ShapeError) << "pad as large as the window";
  bad = good;
  bad.pad_w = -1;
  EXPECT_THROW(check(bad), ShapeError) << "negative pad";
  bad = good;
  bad.s = 9;
  EXPECT_THROW(check(bad), ShapeError) << "empty output";
  bad = good;
  bad.n = std::int64_t{1} << 58;
  EXPECT_THROW(check(bad), ShapeError) << "2^62 elements or more";
  bad = good;
  bad.c = 0;
  EXPECT_THROW(conv2d_forward(Exec{}, bad, nullptr, nullptr, nullptr, nullptr), ShapeError);
  EXPECT_THROW(conv2d_backward_data(Exec{}, bad, nullptr, nullptr, Write::overwrite, nullptr),
               ShapeError);
  EXPECT_THROW(conv2d_backward_weight(Exec{}, bad, nullptr, nullptr, nullptr, nullptr), ShapeError);
}

}  // namespace
}  // namespace trifold::kernels
