/// The op's value and gradients against the reference, which differences check in
/// tests/kernels/depthwise_conv2d_test.cpp.
#include <gtest/gtest.h>

#include "engine/ops.h"
#include "tests/engine/tensors.h"
#include "tests/oracle/depthwise_conv2d.h"

namespace trifold::engine {
namespace {

class DepthwiseConv2dOp : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, DepthwiseConv2dOp, testing::ValuesIn(devices()), name_of);

constexpr double tolerance = 1e-6;

TEST_P(DepthwiseConv2dOp, HasTheValueAndTheGradientsOfItsReference) {
  const Device device = GetParam();
  for (const bool with_bias : {false, true}) {
    for (const std::int64_t stride : {1, 2}) {
      SCOPED_TRACE(testing::Message() << "bias " << with_bias << ", stride " << stride);
      const oracle::DepthwiseCase t{2, 7, 6, 5, 3, 3, stride, stride, 1, 1};
      const Tensor x = uniform({2, 7, 6, 5}, 1), w = uniform({3, 3, 5}, 2),
                   b = with_bias ? uniform({5}, 3) : Tensor::zeros({5}),
                   dy = uniform({2, t.p(), t.q(), 5}, 4);
      Tape tape({.device = device});
      const Var leaf_x = Var::parameter(x.to(device)), leaf_w = Var::parameter(w.to(device)),
                leaf_b = Var::parameter(b.to(device));
      const Var y = depthwise_conv2d(tape, leaf_x, leaf_w, with_bias ? &leaf_b : nullptr,
                                     {stride, stride, 1, 1});
      EXPECT_EQ(y.shape(), dy.shape());
      const auto exact = oracle::depthwise_forward(t, doubles(x), doubles(w), doubles(b));
      EXPECT_LT(relative_error(y.value, exact.value), tolerance);
      tape.backward(inner_product(tape, y, dy.to(device)));
      const Doubles g = doubles(dy);
      EXPECT_LT(relative_error(leaf_x.gradient->sum(),
                               oracle::depthwise_backward_data(t, g, doubles(w)).value),
                tolerance);
      EXPECT_LT(relative_error(leaf_w.gradient->sum(),
                               oracle::depthwise_backward_weight(t, doubles(x), g).value),
                tolerance);
      if (!with_bias) continue;
      EXPECT_LT(relative_error(leaf_b.gradient->sum(), oracle::depthwise_backward_bias(t, g).value),
                tolerance);
    }
  }
}

// At a residual add a gradient is there already, and the op's is added to it.
TEST_P(DepthwiseConv2dOp, AddsItsGradientToOthers) {
  const Device device = GetParam();
  const oracle::DepthwiseCase t{1, 5, 5, 6, 3, 3, 1, 1, 1, 1};
  const Tensor x = uniform({1, 5, 5, 6}, 1), w = uniform({3, 3, 6}, 2), dy = uniform(x.shape(), 3);
  Tape tape({.device = device});
  const Var leaf = Var::parameter(x.to(device)), weights = Var::constant(w.to(device));
  const Var sum =
      add(tape, depthwise_conv2d(tape, leaf, weights, nullptr, {.pad_h = 1, .pad_w = 1}), leaf);
  tape.backward(inner_product(tape, sum, dy.to(device)));
  Doubles expected = oracle::depthwise_backward_data(t, doubles(dy), doubles(w)).value;
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += doubles(dy)[i];
  EXPECT_LT(relative_error(leaf.gradient->sum(), expected), tolerance);
}

// The ReLU's mask is that of its result.
TEST_P(DepthwiseConv2dOp, MasksItsGradientBehindAReLU) {
  const Device device = GetParam();
  const Tensor x = uniform({2, 6, 5, 9}, 1), w = uniform({3, 3, 9}, 2), b = uniform({9}, 3),
               dy = uniform(x.shape(), 4);
  const auto gradients = [&](bool at_once) {
    Tape tape({.device = device});
    const Var leaf_x = Var::parameter(x.to(device)), leaf_w = Var::parameter(w.to(device)),
              leaf_b = Var::parameter(b.to(device));
    const ConvGeometry pad{.pad_h = 1, .pad_w = 1};
    const Var y =
        at_once ? depthwise_conv2d(tape, leaf_x, leaf_w, &leaf_b, pad, kernels::Activation::relu)
                : relu(tape, depthwise_conv2d(tape, leaf_x, leaf_w, &leaf_b, pad));
    tape.backward(inner_product(tape, y, dy.to(device)));
    return std::vector<Doubles>{doubles(y.value), doubles(leaf_x.gradient->sum()),
                                doubles(leaf_w.gradient->sum()), doubles(leaf_b.gradient->sum())};
  };
  EXPECT_EQ(gradients(true), gradients(false));
}

}  // namespace
}  // namespace trifold::engine
