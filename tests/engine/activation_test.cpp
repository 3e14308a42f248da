/// ReLU and ReLU6: values and gradients of the ops against the references, and the references'
/// gradients against differences.
#include <gtest/gtest.h>

#include "engine/ops.h"
#include "tests/engine/tensors.h"
#include "tests/oracle/elementwise.h"

namespace trifold::engine {
namespace {

struct Named {
  const char* name;
  Var (*op)(Tape&, const Var&);
  Doubles (*value)(const Doubles& x);
  Doubles (*gradient)(const Doubles& y, const Doubles& dy);
};

class Activation : public testing::TestWithParam<Named> {};
INSTANTIATE_TEST_SUITE_P(
    Ops, Activation,
    testing::Values(Named{"relu", relu, oracle::relu_forward, oracle::relu_backward},
                    Named{"relu6", relu6, oracle::relu6_forward, oracle::relu6_backward}),
    [](const auto& activation) { return activation.param.name; });

Tensor scaled(Tensor t, float factor) {
  for (float& v : t.values()) v *= factor;
  return t;
}

TEST_P(Activation, HasTheValueAndTheGradientOfItsReference) {
  const Tensor x = scaled(uniform({2, 3, 5, 7}, 1), 10), dy = uniform(x.shape(), 2);
  const Doubles y = GetParam().value(doubles(x));
  const Doubles dx = GetParam().gradient(y, doubles(dy));
  for (const Device device : devices()) {
    Tape tape({.device = device});
    const Var leaf = Var::parameter(x.to(device));
    const Var result = GetParam().op(tape, leaf);
    EXPECT_EQ(doubles(result.value), y);
    tape.backward(inner_product(tape, result, dy.to(device)));
    EXPECT_EQ(doubles(leaf.gradient->take()), dx);
    EXPECT_EQ(doubles(leaf.value), doubles(x)) << "the input is left alone";
  }
}

// Where others hold the gradient of the result, too, it isn't overwritten.
TEST_P(Activation, LeavesAGradientThatOthersReadAlone) {
  const Tensor x = scaled(uniform({4, 6}, 3), 10), dy = uniform(x.shape(), 4);
  Doubles expected = GetParam().gradient(GetParam().value(doubles(x)), doubles(dy));
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += doubles(dy)[i];
  for (const Device device : devices()) {
    Tape tape({.device = device});
    const Var leaf = Var::parameter(x.to(device));
    const Var sum = add(tape, GetParam().op(tape, leaf), leaf);
    tape.backward(inner_product(tape, sum, dy.to(device)));
    const Doubles dx = doubles(leaf.gradient->take());
    for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], expected[i], 1e-6) << i;
  }
}

TEST_P(Activation, ReferencesAgreeWithDifferences) {
  const Doubles x = doubles(scaled(uniform({50}, 5), 10)), dy = doubles(uniform({50}, 6));
  const auto f = [&](const Doubles& at) {
    const Doubles y = GetParam().value(at);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  };
  const Doubles dx = GetParam().gradient(GetParam().value(x), dy);
  for (std::size_t i = 0; i < x.size(); ++i) {
    constexpr double step = 1e-6;
    Doubles up = x, down = x;
    up[i] += step;
    down[i] -= step;
    EXPECT_NEAR(dx[i], (f(up) - f(down)) / (2 * step), 1e-7) << x[i];
  }
}

}  // namespace
}  // namespace trifold::engine
