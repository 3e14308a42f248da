#include "kernels/norm_conv2d.h"

#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/cpu/conv2d/pixel_passes.h"
#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"
#include "tests/kernels/support_conv2d.h"
#include "tests/kernels/support_norm_conv2d.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/batch_norm.h"
#include "tests/oracle/norm_conv2d.h"
#include "tests/oracle/winograd.h"

namespace trifold::kernels {
namespace {

using namespace test;
using cpu::Conv2dAlgorithm;
using oracle::Conv2dCase;

constexpr double rounding = 64 * unit;  // what a part's sums and a few operations may lose
constexpr double norm_error = 4;        // of a normalised input, in units of its magnitude

Floats narrow(const Doubles& values) { return {values.begin(), values.end()}; }

/// What the results should be; magnitude is the size that errors are relative to.
struct Exact {
  oracle::Sums y, g, sums, dw;
  std::int64_t extra;  ///< what the algorithm loses beside the number of its terms
};

Exact exact_results(const Conv2dCase& t, const NormConv2dInputs& in, Conv2dAlgorithm algorithm) {
  const oracle::NormGradient gradient =
      oracle::norm_conv2d_backward_data(t, in.norm, in.dy, in.w, in.x);
  Exact exact{oracle::norm_conv2d_forward(t, in.norm, in.x, in.w), gradient.g, gradient.sums,
              oracle::norm_conv2d_backward_weight(t, in.norm, in.x, in.dy), 2};
  if (algorithm == Conv2dAlgorithm::winograd) {
    const Floats size = narrow(oracle::normalised(in.norm, in.x).magnitude);
    exact.y.magnitude = oracle::winograd_magnitude_forward(t, size, in.w);
    exact.g.magnitude = oracle::winograd_magnitude_backward_data(t, in.dy, in.w);
    exact.dw.magnitude = oracle::winograd_magnitude_backward_weight(t, size, in.dy);
    exact.extra = 32;
  }
  const std::size_t channels = in.norm.mean.size();
  exact.sums.magnitude.assign(2 * channels, 0.0);
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::size_t c = i % channels;
    const double size = exact.g.magnitude[i];
    exact.sums.magnitude[c] += size;
    exact.sums.magnitude[channels + c] += size * std::abs(double{in.x[i]} - in.norm.mean[c]);
  }
  return exact;
}

/// For each element of g and of the sums, what the ReLU makes uncertain: whether it lets a gradient
/// pass whose input is zero but for rounding.
struct Doubt {
  Doubles g, sums;
};

Doubt uncertainty(const NormConv2dInputs& in, const Exact& exact) {
  const std::size_t channels = in.norm.mean.size();
  Doubt result{Doubles(in.x.size(), 0.0), Doubles(2 * channels, 0.0)};
  if (!in.norm.relu) return result;
  oracle::InputNorm open = in.norm;
  open.relu = false;
  const oracle::Sums a = oracle::normalised(open, in.x);
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    if (std::abs(a.value[i]) > norm_error * unit * a.magnitude[i]) continue;
    const std::size_t c = i % channels;
    result.g[i] = exact.g.magnitude[i];
    result.sums[c] += result.g[i];
    result.sums[channels + c] += result.g[i] * std::abs(double{in.x[i]} - in.norm.mean[c]);
  }
  return result;
}

/// The statistics must be those of y as it was stored.
void expect_statistics(const Floats& statistics, const Floats& y) {
  const std::size_t k = statistics.size() / 3;
  const auto exact = oracle::batch_statistics(static_cast<std::int64_t>(k), widen(y));
  for (std::size_t c = 0; c < k; ++c) {
    const double mean = exact.mean[c], std = std::sqrt(exact.var[c]), size = std::abs(mean);
    const double doubles = 1e-12;  // what arithmetic in double loses
    ASSERT_LE(std::abs(statistics[c] - mean), unit * size + rounding * std) << "mean " << c;
    ASSERT_LE(std::abs(double{statistics[c]} + statistics[k + c] - mean),
              doubles * size + rounding * std)
        << "mean and its low part " << c;
    ASSERT_LE(std::abs(statistics[2 * k + c] - exact.var[c]),
              rounding * exact.var[c] + doubles * doubles * size * size)
        << "variance " << c;
  }
}

class NormConv2d : public testing::TestWithParam<Conv2dAlgorithm> {
 protected:
  void SetUp() override { cpu::force_conv2d_algorithm(GetParam()); }
  void TearDown() override { cpu::force_conv2d_algorithm(std::nullopt); }

  bool direct() const { return GetParam() == Conv2dAlgorithm::direct; }

  /// The small shapes that the algorithm takes.
  std::vector<Conv2dCase> cases() const {
    std::vector<Conv2dCase> all = small_conv2d_cases();
    if (!direct()) {
      std::erase_if(all, [](const Conv2dCase& t) { return t.r != 3 || t.s != 3 || t.stride != 1; });
    }
    return all;
  }

  void expect_oracle(const Conv2dCase& t, const NormConv2dInputs& in, bool equal) const {
    const Conv2dShape s = shape_of(t);
    const Exact exact = exact_results(t, in, GetParam());
    const Doubt in_doubt = uncertainty(in, exact);
    const auto factor = [&](std::int64_t terms) {
      return equal ? 0 : (static_cast<double>(terms + exact.extra) + norm_error) * unit;
    };
    run_everywhere(
        {nans(s.y_size()), nans(3 * s.k), nans(s.x_size()), nans(2 * s.c), nans(s.w_size()),
         nans(s.y_size()), nans(3 * s.k), nans(s.y_size())},
        [&](const Trial& ex, const std::vector<float*>& out) {
          const float *x = ex.in(in.x), *w = ex.in(in.w), *dy = ex.in(in.dy);
          const InputNorm norm = in.on(ex);
          norm_conv2d_forward(ex, s, x, &norm, w, out[0], out[1]);
          norm_conv2d_backward(ex, s, {dy}, {x, &norm}, w, nullptr, out[2], out[3], out[4]);
          norm_conv2d_forward(ex, s, x, nullptr, w, out[5], out[6]);
          norm_conv2d_forward(ex, s, x, &norm, w, out[7], nullptr);
        },
        [&](const std::vector<Floats>& out) {
          const std::int64_t samples = s.n * s.p() * s.q();
          expect_within(out[0], exact.y.value, [&](std::size_t i) {
            return factor(s.r * s.s * s.c) * exact.y.magnitude[i];
          });
          expect_statistics(out[1], out[0]);
          const double on_g = factor(s.r * s.s * s.k);
          expect_within(out[2], exact.g.value, [&](std::size_t i) {
            return on_g * exact.g.magnitude[i] + (equal ? 0 : in_doubt.g[i]);
          });
          expect_within(out[3], exact.sums.value, [&](std::size_t i) {
            return (on_g + (equal ? unit : rounding)) * exact.sums.magnitude[i] +
                   (equal ? 0 : in_doubt.sums[i]);
          });
          expect_within(out[4], exact.dw.value,
                        [&](std::size_t i) { return factor(samples) * exact.dw.magnitude[i]; });
          expect_statistics(out[6], out[5]);
          EXPECT_TRUE(same_bits(out[7], out[0])) << "without statistics";
        });
  }
};

INSTANTIATE_TEST_SUITE_P(Algorithms, NormConv2d,
                         testing::Values(Conv2dAlgorithm::direct, Conv2dAlgorithm::winograd),
                         [](const auto& algorithm) {
                           return algorithm.param == Conv2dAlgorithm::direct ? "direct"
                                                                             : "winograd";
                         });

TEST_P(NormConv2d, StaysInBoundOnReals) {
  bool relu = false;
  for (const Conv2dCase& t : cases()) {
    SCOPED_TRACE(name(t));
    relu = !relu;
    expect_oracle(t, reals(shape_of(t), relu), false);
    if (HasFailure()) return;
  }
}

TEST_P(NormConv2d, EqualsTheOracleOnIntegers) {
  if (!direct()) GTEST_SKIP() << "Winograd's fractions are not exact";
  bool relu = true;
  for (const Conv2dCase& t : cases()) {
    SCOPED_TRACE(name(t));
    relu = !relu;
    expect_oracle(t, whole_numbers(shape_of(t), relu), true);
    if (HasFailure()) return;
  }
}

// On the CPU fusing changes where values lie and not what they are.
TEST_P(NormConv2d, GivesTheBitsOfItsSteps) {
  const ReleaseInstructionSet release;
  for (const InstructionSet set : supported_instruction_sets()) {
    force_instruction_set(set);
    for (const Conv2dCase& t : cases()) {
      SCOPED_TRACE(std::string(to_string(set)) + ", " + name(t));
      const Conv2dShape s = shape_of(t);
      const NormConv2dInputs in = reals(s, true);
      const BatchNormShape rows{s.n * s.h * s.w, s.c};
      const std::vector<Floats> out = outputs_of(
          Trial(Device{}),
          {nans(s.x_size()), nans(s.y_size()), nans(s.x_size()), nans(s.w_size()), nans(s.y_size()),
           nans(s.x_size()), nans(2 * s.c), nans(s.w_size())},
          [&](const Trial& ex, const std::vector<float*>& to) {
            const float *x = ex.in(in.x), *w = ex.in(in.w), *dy = ex.in(in.dy);
            const InputNorm norm = in.on(ex);
            batch_norm_apply(ex, rows, x, norm.mean, norm.scale, norm.shift, nullptr, norm.act,
                             to[0]);
            conv2d_forward(ex, s, to[0], w, nullptr, to[1]);
            conv2d_backward_data(ex, s, dy, w, Write::overwrite, to[2]);
            relu_backward(ex, s.x_size(), to[0], to[2], to[2]);
            conv2d_backward_weight(ex, s, to[0], dy, to[3], nullptr);
            norm_conv2d_forward(ex, s, x, &norm, w, to[4], nullptr);
            norm_conv2d_backward(ex, s, {dy}, {x, &norm}, w, nullptr, to[5], to[6], to[7]);
          });
      EXPECT_TRUE(same_bits(out[4], out[1])) << "y";
      EXPECT_TRUE(same_bits(out[5], out[2])) << "g";
      EXPECT_TRUE(same_bits(out[7], out[3])) << "dw";
      if (HasFailure()) return;
    }
  }
}

TEST_P(NormConv2d, TakesTheFirstChannelsOfAWiderArray) {
  for (const Conv2dCase& t : cases()) {
    for (const std::int64_t more : {3, 4}) {
      SCOPED_TRACE(name(t) + ", " + std::to_string(more) + " channels more");
      const Conv2dShape s = shape_of(t);
      const NormConv2dInputs in = reals(s, true);
      const std::vector<Floats> results{nans(s.y_size()), nans(s.x_size()), nans(s.w_size()),
                                        nans(2 * s.c)};
      std::vector<Floats> initial = results;
      initial.insert(initial.end(), results.begin(), results.end());
      run_everywhere(
          initial,
          [&](const Trial& ex, const std::vector<float*>& out) {
            const float *w = ex.in(in.w), *dy = ex.in(in.dy);
            const auto run = [&](const float* x, const InputNorm& norm, std::size_t first) {
              norm_conv2d_forward(ex, s, x, &norm, w, out[first], nullptr);
              norm_conv2d_backward(ex, s, {dy}, {x, &norm}, w, nullptr, out[first + 1],
                                   out[first + 3], out[first + 2]);
            };
            InputNorm norm = in.on(ex);
            run(ex.in(in.x), norm, 0);
            norm.pitch = s.c + more;
            run(ex.in(spread(in.x, s.c, norm.pitch, nan)), norm, 4);
          },
          [&](const std::vector<Floats>& out) {
            EXPECT_TRUE(same_bits(out[4], out[0])) << "y";
            EXPECT_TRUE(same_bits(out[5], out[1])) << "g";
            EXPECT_TRUE(same_bits(out[6], out[2])) << "dw";
            // Where a GPU can't read vectors any more it adds up the sums in another order.
            for (std::size_t i = 0; i < out[3].size(); ++i) {
              ASSERT_NEAR(out[7][i], out[3][i], 1e-4 * std::sqrt(dot(in.dy, in.dy))) << i;
            }
          });
      if (HasFailure()) return;
    }
  }
}

// A mean of ten thousand standard deviations, and zeros of the padding beside it.
TEST_P(NormConv2d, MomentsKeepTheirDigitsUnderALargeMean) {
  const Conv2dShape s{
      .n = 5, .h = 18, .w = 17, .c = 11, .k = 11, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const Floats x = normals(s.x_size(), 1, 1e4, 1), mixed = normals(s.w_size(), 2);
  Floats identity(index(s.w_size()), 0.0f);
  for (std::int64_t c = 0; c < s.c; ++c) identity[index((4 * s.c + c) * s.k + c)] = 1;
  for (const Floats& w : {identity, mixed}) {
    run_everywhere(
        {nans(s.y_size()), nans(3 * s.k)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          norm_conv2d_forward(ex, s, ex.in(x), nullptr, ex.in(w), out[0], out[1]);
        },
        [](const std::vector<Floats>& out) { expect_statistics(out[1], out[0]); });
  }
}

TEST(NormConv2dContract, PaddingIsOfTheNormalisedInput) {
  // A constant input that is normalised to 3: the window's sum counts what it has of the image.
  const Conv2dShape s{
      .n = 1, .h = 4, .w = 4, .c = 1, .k = 1, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const Floats x(16, 7.0f), w(9, 1.0f), mean{5}, scale{1}, shift{1};
  run_everywhere(
      {nans(16)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        const InputNorm norm{ex.in(mean), ex.in(scale), ex.in(shift), Activation::relu};
        norm_conv2d_forward(ex, s, ex.in(x), &norm, ex.in(w), out[0], nullptr);
      },
      [](const std::vector<Floats>& out) {
        expect_equal(out[0], {12, 18, 18, 12, 18, 27, 27, 18, 18, 27, 27, 18, 12, 18, 18, 12});
      });
}

TEST(NormConv2dContract, RefusesShapesThatDoNotFit) {
  const Conv2dShape s{.n = 1, .h = 4, .w = 4, .c = 0, .k = 1, .r = 3, .s = 3};
  const InputNorm norm{nullptr, nullptr, nullptr, Activation::none};
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    const char* part = "must be at least 1, but one is 0";
    EXPECT_SHAPE_ERROR(norm_conv2d_forward(ex, s, nullptr, &norm, nullptr, nullptr, nullptr), part);
    const Conv2dShape wider{.n = 1, .h = 4, .w = 4, .c = 3, .k = 1, .r = 3, .s = 3};
    const InputNorm narrow{nullptr, nullptr, nullptr, Activation::none, 2};
    part = "3 channels of an array that has a pitch of 2";
    EXPECT_SHAPE_ERROR(norm_conv2d_forward(ex, wider, nullptr, &narrow, nullptr, nullptr, nullptr),
                       part);
  }
}

TEST(PixelPasses, ForcedInstructionSetRuns) {
  const ReleaseInstructionSet release;
  for (const InstructionSet set : supported_instruction_sets()) {
    force_instruction_set(set);
    EXPECT_EQ(cpu::pixel_passes().set, set);
  }
}

}  // namespace
}  // namespace trifold::kernels
