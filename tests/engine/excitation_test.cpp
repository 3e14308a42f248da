/// What a squeeze-and-excitation block is made of: values and gradients of the sigmoids and of the
/// channel scale against the references, which differences check in tests/kernels.
#include <gtest/gtest.h>

#include "engine/ops.h"
#include "kernels/runtime/error.h"
#include "tests/engine/tensors.h"
#include "tests/oracle/channel_scale.h"
#include "tests/oracle/sigmoid.h"

namespace trifold::engine {
namespace {

using kernels::SigmoidKind;

class Excitation : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, Excitation, testing::ValuesIn(devices()), name_of);

constexpr double tolerance = 1e-6;

Tensor scaled(Tensor t, float factor) {
  for (float& v : t.values()) v *= factor;
  return t;
}

// The leaf is read by an addition, too, so that the gradient is one of two, and dy not the op's own.
TEST_P(Excitation, SigmoidsHaveTheValuesAndGradientsOfTheirReferences) {
  const Device device = GetParam();
  for (const auto& [kind, exact] :
       {std::pair(SigmoidKind::sigmoid, oracle::Sigmoid::sigmoid),
        std::pair(SigmoidKind::silu, oracle::Sigmoid::silu),
        std::pair(SigmoidKind::hard_sigmoid, oracle::Sigmoid::hard_sigmoid),
        std::pair(SigmoidKind::hard_swish, oracle::Sigmoid::hard_swish)}) {
    const Tensor x = scaled(uniform({2, 3, 5, 7}, 1), 6), dy = uniform(x.shape(), 2);
    const Doubles dx = oracle::sigmoid_backward(exact, doubles(x), doubles(dy));
    for (const bool shared : {false, true}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(kind) << (shared ? ", shared" : ""));
      Tape tape({.device = device});
      const Var leaf = Var::parameter(x.to(device));
      const Var y = sigmoid(tape, leaf, kind);
      EXPECT_EQ(y.shape(), x.shape());
      EXPECT_LT(relative_error(y.value, oracle::sigmoid_forward(exact, doubles(x))), tolerance);
      tape.backward(inner_product(tape, shared ? add(tape, y, leaf) : y, dy.to(device)));
      Doubles expected = dx;
      for (std::size_t i = 0; shared && i < dx.size(); ++i) expected[i] += doubles(dy)[i];
      EXPECT_LT(relative_error(leaf.gradient->take(), expected), tolerance);
      EXPECT_EQ(doubles(leaf.value), doubles(x)) << "the input is left alone";
    }
  }
}

TEST_P(Excitation, ChannelScaleHasTheValueAndBothGradientsOfItsReference) {
  const Device device = GetParam();
  const oracle::ChannelScale s{3, 20, 7};
  const Tensor x = uniform({3, 5, 4, 7}, 1), dy = uniform(x.shape(), 2);
  for (const Shape& rows : {Shape{3, 7}, Shape{3, 1, 1, 7}}) {
    SCOPED_TRACE(to_string(rows));
    const Tensor factor = uniform(rows, 3);
    Tape tape({.device = device});
    const Var leaf = Var::parameter(x.to(device)), by = Var::parameter(factor.to(device));
    const Var y = channel_scale(tape, leaf, by);
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_LT(relative_error(y.value, oracle::channel_scale(s, doubles(x), doubles(factor))),
              tolerance);
    tape.backward(inner_product(tape, y, dy.to(device)));
    const Tensor dfactor = by.gradient->take();
    EXPECT_EQ(dfactor.shape(), rows);
    EXPECT_LT(
        relative_error(dfactor, oracle::channel_scale_gradient(s, doubles(x), doubles(dy)).value),
        tolerance);
    EXPECT_LT(relative_error(leaf.gradient->take(),
                             oracle::channel_scale(s, doubles(dy), doubles(factor))),
              tolerance);
  }
}

// Squeeze, excitation and scale read the same value: its gradient has two parts.
TEST_P(Excitation, AGradientReachesWhatIsScaledByBothWays) {
  const Device device = GetParam();
  const Tensor x = uniform({2, 3, 3, 4}, 4), dy = uniform(x.shape(), 5);
  Tape tape({.device = device});
  const Var leaf = Var::parameter(x.to(device));
  const Var factor = sigmoid(tape, global_avg_pool(tape, leaf), SigmoidKind::sigmoid);
  tape.backward(inner_product(tape, channel_scale(tape, leaf, factor), dy.to(device)));
  const Doubles gradient = doubles(leaf.gradient->take());
  const oracle::ChannelScale s{2, 9, 4};
  const auto loss = [&](const Doubles& at) {
    Doubles squeezed(8);
    for (std::size_t i = 0; i < at.size(); ++i) squeezed[i / 36 * 4 + i % 4] += at[i] / 9;
    const Doubles y =
        oracle::channel_scale(s, at, oracle::sigmoid_forward(oracle::Sigmoid::sigmoid, squeezed));
    const Doubles g = doubles(dy);
    return std::inner_product(y.begin(), y.end(), g.begin(), 0.0);
  };
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    Doubles up = doubles(x), down = up;
    up[i] += 1e-6;
    down[i] -= 1e-6;
    EXPECT_NEAR(gradient[i], (loss(up) - loss(down)) / 2e-6, 1e-6) << i;
  }
}

TEST_P(Excitation, RefusesFactorsOfAnotherShape) {
  const Device device = GetParam();
  Tape tape({.device = device});
  const auto zeros = [&](const Shape& shape) {
    return Var::constant(Tensor::zeros(shape, device));
  };
  for (const Shape& wrong : {Shape{2, 3}, Shape{1, 4}, Shape{2, 2, 2, 4}, Shape{4}}) {
    EXPECT_THROW(channel_scale(tape, zeros({2, 3, 3, 4}), zeros(wrong)), ShapeError)
        << to_string(wrong);
  }
}

}  // namespace
}  // namespace trifold::engine
