#include "engine/tape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <utility>
#include <vector>

#include "engine/ops.h"
#include "kernels/runtime/error.h"
#include "tests/engine/support.h"
#include "tests/engine/tensors.h"
#include "tests/oracle/batch_norm.h"

namespace trifold::engine {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TapeOn : public testing::TestWithParam<Device> {
 protected:
  const kernels::Exec ex{.device = GetParam()};

  Tensor random(Shape shape, std::uint64_t seed) const { return uniform(shape, seed, ex.device); }
  Tensor zeros(Shape shape) const { return Tensor::zeros(std::move(shape), ex.device); }
  Tensor filled(Shape shape, float value) const {
    return Tensor::filled(std::move(shape), value, ex.device);
  }
  template <class T, std::size_t N>
  Tensor from(Shape shape, const std::array<T, N>& values) const {
    return Tensor::from(std::move(shape), values, ex.device);
  }
  std::int64_t bytes_in_use() const { return memory_use(ex.device).now_bytes; }

  // The gradient that the leaf `x` collects from <dy, f(x)>.
  Doubles gradient_of(const Var& x, const Tensor& dy,
                      const std::function<Var(Tape&, const Var&)>& f) const {
    Tape tape(ex);
    tape.backward(inner_product(tape, f(tape, x), dy));
    return doubles(x.gradient->take());
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, TapeOn, testing::ValuesIn(devices()), name_of);

Doubles sum(const Doubles& a, const Doubles& b) {
  Doubles result = a;
  for (std::size_t i = 0; i < a.size(); ++i) result[i] += b[i];
  return result;
}

void expect_near(const Doubles& actual, const Doubles& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5) << i;
}

TEST_P(TapeOn, AddsTheGradientsOfAValueThatIsUsedTwice) {
  const Var x = Var::parameter(random({2, 3}, 1));
  const Tensor dy = random({2, 3}, 2);
  const Doubles once = doubles(dy);
  EXPECT_EQ(gradient_of(x, dy, [](Tape& tape, const Var& v) { return add(tape, v, v); }),
            sum(once, once));
}

TEST_P(TapeOn, AddsTheGradientsOfAValueThatIsUsedThreeTimes) {
  const Var x = Var::parameter(random({2, 3}, 1));
  const Tensor dy = random({2, 3}, 2);
  const Doubles once = doubles(dy), thrice = sum(once, sum(once, once));
  expect_near(gradient_of(x, dy, [](Tape& t, const Var& v) { return add(t, add(t, v, v), v); }),
              thrice);
  expect_near(gradient_of(x, dy, [](Tape& t, const Var& v) { return add(t, v, add(t, v, v)); }),
              thrice);
}

// Adding in place must not reach the gradient that went the other way at an add.
TEST_P(TapeOn, KeepsTheGradientsOfTheTwoInputsOfAnAddApart) {
  const Var a = Var::parameter(random({4}, 1)), b = Var::parameter(random({4}, 2));
  const Tensor dy = random({4}, 3);
  Tape tape(ex);
  // a is used again before the add, so that its second gradient arrives after the first.
  const Var a_twice = add(tape, a, a);
  const Var y = add(tape, add(tape, a_twice, a), b);
  tape.backward(inner_product(tape, y, dy));
  const Doubles once = doubles(dy);
  EXPECT_EQ(doubles(b.gradient->sum()), once);
  expect_near(doubles(a.gradient->sum()), sum(once, sum(once, once)));
}

// A convolution whose input already holds a gradient adds to it in place; if it comes first, the
// other gradient is added to its own.
TEST_P(TapeOn, JoinsAConvolutionAndItsShortcutInEitherOrder) {
  const Var x = Var::parameter(random({2, 4, 4, 3}, 1));
  const Var w = Var::constant(random({3, 3, 3, 3}, 2));
  const Tensor dy = random(x.shape(), 3);
  const ConvGeometry same{.pad_h = 1, .pad_w = 1};
  const auto branch = [&](Tape& t, const Var& v) { return conv2d(t, v, w, nullptr, same); };
  const Doubles joined = sum(gradient_of(x, dy, branch), doubles(dy));
  expect_near(gradient_of(x, dy, [&](Tape& t, const Var& v) { return add(t, branch(t, v), v); }),
              joined);
  // The shortcut is recorded before the convolution, so that its gradient comes second.
  expect_near(gradient_of(x, dy,
                          [&](Tape& t, const Var& v) {
                            const Var shortcut = add(t, v, Var::constant(zeros(v.shape())));
                            return add(t, branch(t, v), shortcut);
                          }),
              joined);
}

TEST_P(TapeOn, JoinsABatchNormAndItsResidual) {
  const std::int64_t channels = 3;
  for (const bool relu : {false, true}) {
    const Var x = Var::parameter(random({2, 2, 4, channels}, 1));
    const Var gamma = Var::parameter(random({channels}, 2));
    const Var beta = Var::parameter(random({channels}, 3));
    const Tensor dy = random(x.shape(), 4);
    const BatchNormState state{&gamma, &beta, zeros({channels}), zeros({channels})};
    const auto act = relu ? kernels::Activation::relu : kernels::Activation::none;

    const auto statistics = oracle::batch_statistics(channels, doubles(x.value));
    const Doubles y = oracle::batch_norm(doubles(x.value), statistics, doubles(gamma.value),
                                         doubles(beta.value), 1e-5, doubles(x.value), relu);
    const auto expected = oracle::batch_norm_backward(
        doubles(x.value), y, statistics, doubles(gamma.value), 1e-5, relu, true, doubles(dy));
    expect_near(gradient_of(x, dy,
                            [&](Tape& t, const Var& v) {
                              return batch_norm(t, v, state, Statistics::batch, &v, act);
                            }),
                sum(expected.dx, expected.dresidual));
    expect_near(doubles(gamma.gradient->sum()), expected.dgamma);
    expect_near(doubles(beta.gradient->sum()), expected.dbeta);
  }
}

TEST_P(TapeOn, AddsTheGradientsOfAConcatOfOneValue) {
  const Var x = Var::parameter(random({3, 2}, 1));
  const Tensor dy =
      from({3, 4}, std::array{1.f, 2.f, 30.f, 40.f, 3.f, 4.f, 50.f, 60.f, 5.f, 6.f, 70.f, 80.f});
  EXPECT_THAT(gradient_of(x, dy,
                          [](Tape& t, const Var& v) {
                            return concat(t, std::array{v, v});
                          }),
              ElementsAre(31, 42, 53, 64, 75, 86));
}

TEST_P(TapeOn, LeavesParametersThatDoNotTakePartAlone) {
  const Var x = Var::parameter(random({4}, 1)), unused = Var::parameter(random({4}, 2));
  const Var constant = Var::constant(random({4}, 3));
  Tape tape(ex);
  relu(tape, unused);  // recorded, but the loss does not depend on it
  tape.backward(inner_product(tape, add(tape, x, constant), random({4}, 4)));
  EXPECT_TRUE(x.gradient->sum().defined());
  EXPECT_FALSE(unused.gradient->sum().defined());
  EXPECT_FALSE(constant.requires_grad());
}

TEST_P(TapeOn, AccumulatesOverBackwardPassesUntilTheGradientIsTaken) {
  const Var x = Var::parameter(filled({2}, 1.0f));
  Tape tape(ex);
  for (int pass = 0; pass < 3; ++pass) {
    tape.backward(inner_product(tape, add(tape, x, x), filled({2}, 1.0f)));
  }
  EXPECT_THAT(doubles(x.gradient->take()), Each(6.0));
  EXPECT_FALSE(x.gradient->sum().defined());
}

TEST_P(TapeOn, RefusesGradientsOfDifferentShapes) {
  Gradient gradient;
  gradient.add(ex, zeros({2}));
  EXPECT_THAT(error_text<ShapeError>([&] { gradient.add(ex, zeros({3})); }),
              HasSubstr("(2) and (3) meet"));
}

TEST_P(TapeOn, StartsOnlyFromASingleElementThatRequiresAGradient) {
  const Var x = Var::parameter(random({4}, 1));
  Tape tape(ex);
  EXPECT_THAT(error_text<ShapeError>([&] { tape.backward(relu(tape, x)); }), HasSubstr("(4)"));
  EXPECT_THROW(tape.backward(Var::constant(zeros({1}))), ShapeError);
}

// All ops in a chain, from an image to a loss.
Var every_op(Tape& tape, const Var& x, const Var& w, const BatchNormState& bn, const Var& fc) {
  const ConvGeometry same{.pad_h = 1, .pad_w = 1};
  Var y = conv2d(tape, x, w, nullptr, same);
  y = batch_norm(tape, y, bn, Statistics::running, &y, kernels::Activation::relu);
  y = concat(tape, std::array{relu(tape, y), add(tape, y, y)});
  y = channel_gather(tape, y, Tensor::from({3}, std::array{0, 5, -1}, tape.exec().device), 1);
  y = add(tape, max_pool(tape, y, {2, 2, 2, 2}), avg_pool(tape, y, {2, 2, 2, 2}));
  y = global_avg_pool(tape, resize(tape, y, 3, 3, kernels::ResizeFilter::plain));
  return softmax_cross_entropy(tape, linear(tape, y, fc, nullptr),
                               Tensor::zeros({2}, tape.exec().device, DType::i32), 0.0f);
}

TEST_P(TapeOn, RecordsNothingWithoutGradients) {
  const Var x = Var::parameter(random({2, 4, 4, 3}, 1));
  const Var w = Var::parameter(random({3, 3, 3, 3}, 2)), fc = Var::parameter(random({3, 5}, 3));
  const Var gamma = Var::parameter(random({3}, 4)), beta = Var::parameter(random({3}, 5));
  const BatchNormState bn{&gamma, &beta, zeros({3}), filled({3}, 1.0f)};

  Tape recording(ex), quiet(ex, Tape::Mode::no_grad);
  const Var expected = every_op(recording, x, w, bn, fc);
  const std::int64_t before = bytes_in_use();
  const Var loss = every_op(quiet, x, w, bn, fc);
  EXPECT_EQ(doubles(loss.value), doubles(expected.value));
  EXPECT_FALSE(quiet.recording());
  EXPECT_FALSE(loss.requires_grad());
  // Of all that was computed, only the loss is left.
  EXPECT_EQ(bytes_in_use() - before, loss.value.bytes());
  EXPECT_THROW(quiet.backward(loss), ShapeError);

  recording.backward(expected);
  for (const Var* leaf : {&x, &w, &gamma, &beta, &fc}) {
    EXPECT_TRUE(leaf->gradient->sum().defined());
  }
}

TEST_P(TapeOn, ReleasesMemoryWhileItUnwinds) {
  constexpr std::int64_t size = 1000, bytes = 4 * size;
  constexpr int length = 10;
  const Var x = Var::parameter(random({size}, 1));
  const Tensor dy = random({size}, 2);
  const auto in_use = [this] { return bytes_in_use(); };
  const std::int64_t before = in_use();

  Tape tape(ex);
  std::vector<std::int64_t> seen;  // bytes in use between the steps of the backward pass
  Var loss;
  {
    Var y = x;
    for (int i = 0; i < length; ++i) {
      y = relu(tape, y);
      // An op that hands its gradient on and looks at the memory.
      const Var probe = tape.result(y.value, {&y});
      tape.record(probe, [this, &seen, &in_use, sum = y.gradient](Tensor gradient) {
        seen.push_back(in_use());
        sum->add(ex, std::move(gradient));
      });
      y = probe;
    }
    loss = inner_product(tape, y, dy);
  }
  EXPECT_EQ(in_use() - before, length * bytes + loss.value.bytes());
  reset_memory_peak(ex.device);
  tape.backward(loss);

  // Each step back gives one output free. The gradient travels in a single array.
  ASSERT_EQ(std::ssize(seen), length);
  for (std::size_t i = 0; i + 1 < seen.size(); ++i) EXPECT_EQ(seen[i] - seen[i + 1], bytes) << i;
  EXPECT_LE(memory_use(ex.device).peak_bytes - before,
            (length + 1) * bytes + 2 * loss.value.bytes());
  EXPECT_EQ(in_use() - before, x.gradient->sum().bytes() + loss.value.bytes());
}

// An op whose gradient does not depend on its input does not keep the input.
TEST_P(TapeOn, HoldsJustWhatTheGradientsNeed) {
  const Shape shape{2, 4, 4, 3};
  const Var gamma = Var::constant(random({3}, 1)), beta = Var::constant(random({3}, 2));
  const BatchNormState bn{&gamma, &beta, zeros({3}), filled({3}, 1.0f)};
  const Var other = Var::constant(random(shape, 3));
  const std::vector<std::function<Var(Tape&, const Var&)>> ops{
      [](Tape& t, const Var& x) { return relu(t, x); },
      [](Tape& t, const Var& x) { return add(t, x, x); },
      [](Tape& t, const Var& x) { return resize(t, x, 3, 5, kernels::ResizeFilter::antialias); },
      [](Tape& t, const Var& x) {
        return max_pool(t, x, {2, 2, 2, 2});
      },
      [](Tape& t, const Var& x) {
        return avg_pool(t, x, {2, 2, 2, 2});
      },
      [](Tape& t, const Var& x) { return global_avg_pool(t, x); },
      [](Tape& t, const Var& x) {
        return concat(t, std::array{x, x});
      },
      [this](Tape& t, const Var& x) { return channel_gather(t, x, from({1}, std::array{2}), 2); },
      [&](Tape& t, const Var& x) {  // x is the residual
        return batch_norm(t, other, bn, Statistics::running, &x, kernels::Activation::none);
      }};
  for (std::size_t i = 0; i < ops.size(); ++i) {
    Tape tape(ex);
    Var x = Var::parameter(random(shape, 4));
    const Var y = ops[i](tape, x);
    const std::int64_t before = bytes_in_use();
    const std::int64_t bytes = x.value.bytes();
    x = Var{};
    EXPECT_EQ(before - bytes_in_use(), bytes) << "op " << i;
  }
}

}  // namespace
}  // namespace trifold::engine
