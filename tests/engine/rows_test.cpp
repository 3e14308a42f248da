/// What stands between convolutions and linear layers: flatten and dropout. Values and gradients
/// against the references, which tests/kernels/ checks.
#include <gtest/gtest.h>

#include "engine/ops.h"
#include "engine/random.h"
#include "tests/engine/tensors.h"
#include "tests/oracle/dropout.h"
#include "tests/oracle/flatten.h"

namespace trifold::engine {
namespace {

class Rows : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, Rows, testing::ValuesIn(devices()), name_of);

TEST_P(Rows, FlattenHasTheValueAndTheGradientOfItsReference) {
  const Device device = GetParam();
  const Tensor x = uniform({2, 3, 5, 7}, 1), dy = uniform({2, 105}, 2);
  Tape tape({.device = device});
  const Var leaf = Var::parameter(x.to(device));
  const Var y = flatten(tape, leaf);
  EXPECT_EQ(y.shape(), dy.shape());
  EXPECT_EQ(doubles(y.value), oracle::flatten_forward(2, 15, 7, doubles(x)));
  tape.backward(inner_product(tape, y, dy.to(device)));
  EXPECT_EQ(leaf.gradient->sum().shape(), x.shape());
  EXPECT_EQ(doubles(leaf.gradient->sum()), oracle::flatten_backward(2, 15, 7, doubles(dy)));
}

TEST_P(Rows, DropoutDropsTheSameOfValueAndGradient) {
  const Device device = GetParam();
  const Tensor x = uniform({6, 35}, 1), dy = uniform(x.shape(), 2);
  constexpr kernels::DropoutDraws draws{9, random_streams::dropout, 5};
  const std::vector<bool> kept = oracle::dropout_kept(210, 0.25, 9, random_streams::dropout, 5, 3);
  const Tensor step = Tensor::filled({1}, 3.0f, device);
  // Its gradient alone, which it may overwrite, and one that others read, too.
  for (const bool is_shared : {false, true}) {
    Tape tape({.device = device});
    const Var leaf = Var::parameter(x.to(device));
    Var y = dropout(tape, leaf, 0.25f, draws, step);
    EXPECT_LT(relative_error(y.value, oracle::dropout(doubles(x), 0.25, kept)), 1e-6);
    if (is_shared) y = add(tape, y, leaf);
    tape.backward(inner_product(tape, y, dy.to(device)));
    Doubles dx = oracle::dropout(doubles(dy), 0.25, kept);
    for (std::size_t i = 0; is_shared && i < dx.size(); ++i) dx[i] += doubles(dy)[i];
    EXPECT_LT(relative_error(leaf.gradient->sum(), dx), 1e-6);
    EXPECT_EQ(doubles(leaf.value), doubles(x)) << "the input is left alone";
  }
}

}  // namespace
}  // namespace trifold::engine
