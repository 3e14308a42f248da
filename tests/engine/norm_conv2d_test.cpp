/// The fused convolution against the sequence of ops that it stands for.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "engine/fused_ops.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/memory.h"
#include "kernels/runtime/thread_pool.h"
#include "tests/engine/tensors.h"

namespace trifold::engine {
namespace {

constexpr std::int64_t c = 5, k = 7;
constexpr double tolerance = 1e-5;

/// The leaves of batch norm, ReLU and convolution, and what a run leaves behind.
struct Layer {
  Var gamma, beta, w;
  BatchNormState state;

  Layer(Device device, std::int64_t window)
      : gamma(Var::parameter(uniform({c}, 1, device))),
        beta(Var::parameter(uniform({c}, 2, device))),
        w(Var::parameter(uniform({window, window, c, k}, 3, device))),
        state{&gamma, &beta, Tensor::filled({c}, 0.5f, device), Tensor::filled({c}, 2.0f, device)} {
  }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
};

class NormConv2dOp : public testing::TestWithParam<Device> {
 protected:
  kernels::ThreadPool threads{2};

  Tape tape(Tape::Mode mode = Tape::Mode::record) {
    return Tape({.device = GetParam(), .pool = &threads}, mode);
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, NormConv2dOp, testing::ValuesIn(devices()), name_of);

Var fused(Tape& tape, const Var& x, const Tensor& statistics_of_x, const Layer& layer,
          kernels::Activation act, const ConvGeometry& geometry,
          BatchStatistics* statistics = nullptr) {
  const LazyValue a = lazy_batch_norm(tape, x, {statistics_of_x, nullptr}, layer.state, nullptr,
                                      act, Result::deferred);
  return norm_conv2d(tape, a, layer.w, geometry, statistics);
}

Var fused(Tape& tape, const Var& x, const Layer& layer, kernels::Activation act,
          const ConvGeometry& geometry, BatchStatistics* statistics = nullptr) {
  return fused(tape, x, batch_statistics(tape.exec(), x.value), layer, act, geometry, statistics);
}

Var plain(Tape& tape, const Var& x, const Layer& layer, kernels::Activation act,
          const ConvGeometry& geometry) {
  const Var a = batch_norm(tape, x, layer.state, Statistics::batch, nullptr, act);
  return conv2d(tape, a, layer.w, nullptr, geometry);
}

void expect_close(const Tensor& actual, const Tensor& expected, const char* what) {
  EXPECT_EQ(actual.shape(), expected.shape()) << what;
  EXPECT_LT(relative_error(actual, doubles(expected)), tolerance) << what;
}

TEST_P(NormConv2dOp, IsBatchNormThenConvolution) {
  for (const auto& [window, geometry] :
       {std::pair{std::int64_t{3}, ConvGeometry{.pad_h = 1, .pad_w = 1}},
        std::pair{std::int64_t{3}, ConvGeometry{2, 2, 1, 1}},
        std::pair{std::int64_t{1}, ConvGeometry{}}}) {
    for (const kernels::Activation act : {kernels::Activation::none, kernels::Activation::relu}) {
      Layer one(GetParam(), window), other(GetParam(), window);
      const Var x = Var::parameter(uniform({3, 8, 6, c}, 4, GetParam()));
      const Var again = Var::parameter(x.value.clone());
      Tape first = tape(), second = tape();
      BatchStatistics statistics;
      const Var y = fused(first, x, one, act, geometry, &statistics);
      const Var expected = plain(second, again, other, act, geometry);
      expect_close(y.value, expected.value, "y");
      expect_close(statistics.values, batch_statistics(first.exec(), y.value), "statistics");
      expect_close(one.state.running_mean, other.state.running_mean, "running mean");
      expect_close(one.state.running_var, other.state.running_var, "running variance");

      const Tensor dy = uniform(y.shape(), 5, GetParam());
      first.backward(inner_product(first, y, dy));
      second.backward(inner_product(second, expected, dy));
      expect_close(x.gradient->sum(), again.gradient->sum(), "dx");
      expect_close(one.w.gradient->sum(), other.w.gradient->sum(), "dw");
      expect_close(one.gamma.gradient->sum(), other.gamma.gradient->sum(), "dgamma");
      expect_close(one.beta.gradient->sum(), other.beta.gradient->sum(), "dbeta");
    }
  }
}

TEST_P(NormConv2dOp, AddsToAGradientThatHasArrived) {
  const ConvGeometry same{.pad_h = 1, .pad_w = 1};
  const auto act = kernels::Activation::relu;
  const auto gradient = [&](auto op) {
    Layer a(GetParam(), 3), b(GetParam(), 3);
    const Var x = Var::parameter(uniform({2, 5, 5, c}, 4, GetParam()));
    Tape t = tape();
    const Var y = add(t, op(t, x, a), op(t, x, b));
    t.backward(inner_product(t, y, uniform(y.shape(), 5, GetParam())));
    return x.gradient->take();
  };
  expect_close(
      gradient([&](Tape& t, const Var& x, const Layer& l) { return fused(t, x, l, act, same); }),
      gradient([&](Tape& t, const Var& x, const Layer& l) { return plain(t, x, l, act, same); }),
      "dx");
}

TEST_P(NormConv2dOp, GivesTheGradientsThatAreWanted) {
  Layer layer(GetParam(), 1), all(GetParam(), 1);
  layer.w = Var::constant(layer.w.value);
  const Var x = Var::constant(uniform({2, 5, 5, c}, 4, GetParam()));
  Tape one = tape(), other = tape();
  for (auto [t, l] : {std::pair{&one, &layer}, std::pair{&other, &all}}) {
    const Var y = fused(*t, x, *l, kernels::Activation::relu, {});
    t->backward(inner_product(*t, y, uniform(y.shape(), 5, GetParam())));
  }
  expect_close(layer.gamma.gradient->sum(), all.gamma.gradient->sum(), "dgamma");
  expect_close(layer.beta.gradient->sum(), all.beta.gradient->sum(), "dbeta");
  Tape silent = tape(Tape::Mode::no_grad);
  EXPECT_FALSE(fused(silent, x, all, kernels::Activation::relu, {}).requires_grad());
}

/// conv1, a norm with residual, and conv2 that reads the sum first, before whatever `also` is; its
/// gradient is evaluated and masked by the convolutions, or op by op.
struct ResidualBlock {
  Var x, w1, w2, gamma, beta;
  BatchNormState state;

  explicit ResidualBlock(Device device)
      : x(Var::parameter(uniform({3, 6, 5, c}, 4, device))),
        w1(Var::parameter(uniform({3, 3, c, c}, 6, device))),
        w2(Var::parameter(uniform({3, 3, c, k}, 7, device))),
        gamma(Var::parameter(uniform({c}, 1, device))),
        beta(Var::parameter(uniform({c}, 2, device))),
        state{&gamma, &beta, Tensor::filled({c}, 0.5f, device), Tensor::filled({c}, 2.0f, device)} {
  }
  ResidualBlock(const ResidualBlock&) = delete;
  ResidualBlock& operator=(const ResidualBlock&) = delete;

  static constexpr ConvGeometry same{.pad_h = 1, .pad_w = 1};

  Var fused(Tape& tape, bool also, kernels::Activation act) const {
    BatchStatistics statistics;
    const Var y = norm_conv2d(tape, {x, nullptr}, w1, same, &statistics);
    const LazyValue a = lazy_batch_norm(tape, y, statistics, state, &x, act, Result::stored);
    const Var z = norm_conv2d(tape, a, w2, same);
    return also ? concat(tape, std::vector{z, relu(tape, a.a)}) : z;
  }

  Var plain(Tape& tape, bool also, kernels::Activation act) const {
    const Var y = conv2d(tape, x, w1, nullptr, same);
    const Var a = batch_norm(tape, y, state, Statistics::batch, &x, act);
    const Var z = conv2d(tape, a, w2, nullptr, same);
    return also ? concat(tape, std::vector{z, relu(tape, a)}) : z;
  }
};

TEST_P(NormConv2dOp, IsTheSequenceAtAJoin) {
  for (const bool also : {false, true}) {
    for (const kernels::Activation act : {kernels::Activation::none, kernels::Activation::relu}) {
      const ResidualBlock one(GetParam()), other(GetParam());
      Tape first = tape(), second = tape();
      const Var y = one.fused(first, also, act), expected = other.plain(second, also, act);
      expect_close(y.value, expected.value, "y");
      expect_close(one.state.running_mean, other.state.running_mean, "running mean");
      const Tensor dy = uniform(y.shape(), 5, GetParam());
      first.backward(inner_product(first, y, dy));
      second.backward(inner_product(second, expected, dy));
      expect_close(one.x.gradient->sum(), other.x.gradient->sum(), "dx");
      expect_close(one.w1.gradient->sum(), other.w1.gradient->sum(), "dw1");
      expect_close(one.w2.gradient->sum(), other.w2.gradient->sum(), "dw2");
      expect_close(one.gamma.gradient->sum(), other.gamma.gradient->sum(), "dgamma");
      expect_close(one.beta.gradient->sum(), other.beta.gradient->sum(), "dbeta");
    }
  }
}

// The residual's gradient is the array that the convolution in front of the norm still reads.
TEST_P(NormConv2dOp, LeavesAGradientThatOthersReadAsItIs) {
  const auto run = [&](bool fuse) {
    const ResidualBlock block(GetParam());
    const auto act = kernels::Activation::relu;
    Tape t = tape();
    BatchStatistics statistics;
    // Recorded behind conv1, so that in the backward pass both write to their gradients before it
    // reads.
    const auto residual = [&] { return relu(t, add(t, relu(t, block.x), block.x)); };
    Var z;
    if (fuse) {
      const Var y = norm_conv2d(t, {block.x, nullptr}, block.w1, ResidualBlock::same, &statistics);
      const Var r = residual();
      z = norm_conv2d(t, lazy_batch_norm(t, y, statistics, block.state, &r, act, Result::stored),
                      block.w2, ResidualBlock::same);
    } else {
      const Var y = conv2d(t, block.x, block.w1, nullptr, ResidualBlock::same);
      const Var r = residual();
      z = conv2d(t, batch_norm(t, y, block.state, Statistics::batch, &r, act), block.w2, nullptr,
                 ResidualBlock::same);
    }
    t.backward(inner_product(t, z, uniform(z.shape(), 5, GetParam())));
    return std::pair{block.x.gradient->take(), block.w1.gradient->take()};
  };
  const auto [dx, dw] = run(true);
  const auto [expected_dx, expected_dw] = run(false);
  expect_close(dx, expected_dx, "dx");
  expect_close(dw, expected_dw, "dw");
}

TEST_P(NormConv2dOp, DoesNotKeepTheNormalisedInput) {
  const ConvGeometry same{.pad_h = 1, .pad_w = 1};
  const auto act = kernels::Activation::relu;
  const auto held = [&](auto op) {
    Layer layer(GetParam(), 3);
    const Var x = Var::parameter(uniform({4, 16, 16, c}, 4, GetParam()));
    Tape t = tape();
    const std::int64_t before = kernels::memory_use(GetParam()).now_bytes;
    const Var y = op(t, x, layer);
    return kernels::memory_use(GetParam()).now_bytes - before - y.value.bytes();
  };
  const std::int64_t x_bytes = 4 * 16 * 16 * c * 4;
  EXPECT_LT(held([&](Tape& t, const Var& x, const Layer& l) { return fused(t, x, l, act, same); }),
            x_bytes / 4);
  EXPECT_GE(held([&](Tape& t, const Var& x, const Layer& l) { return plain(t, x, l, act, same); }),
            x_bytes);
}

// Two layers of a dense block, their inputs concatenated once in place and once by concats.
TEST_P(NormConv2dOp, ReadsTheFirstChannelsOfAValueThatGrows) {
  const ConvGeometry same{.pad_h = 1, .pad_w = 1};
  const auto act = kernels::Activation::relu;
  struct Outcome {
    Tensor y, dx, dh, dw;
  };
  const auto run = [&](bool in_place) {
    Layer layer(GetParam(), 3);
    const Var x = Var::parameter(uniform({2, 5, 4, 3}, 4, GetParam()));
    const Var h = Var::parameter(uniform({2, 5, 4, 2}, 6, GetParam()));  // 5 channels with x
    Tape t = tape();
    Var all;
    if (in_place) {
      const Var wide = begin_in_place_concat(t, x, c + k);
      extend_in_place_concat(t, wide, h, 3);
      const Tensor both = concat(t, std::vector{x, h}).value;
      const Var y = fused(t, wide, batch_statistics(t.exec(), both), layer, act, same);
      extend_in_place_concat(t, wide, y, c);
      all = wide;
    } else {
      const Var both = concat(t, std::vector{x, h});
      all = concat(t, std::vector{both, plain(t, both, layer, act, same)});
    }
    t.backward(inner_product(t, all, uniform(all.shape(), 5, GetParam())));
    return Outcome{all.value, x.gradient->take(), h.gradient->take(), layer.w.gradient->take()};
  };
  const Outcome grown = run(true), expected = run(false);
  expect_close(grown.y, expected.y, "y");
  expect_close(grown.dx, expected.dx, "dx");
  expect_close(grown.dh, expected.dh, "dh");
  expect_close(grown.dw, expected.dw, "dw");
}

TEST_P(NormConv2dOp, StartsTheGradientOfAWiderValue) {
  Layer layer(GetParam(), 1), narrow(GetParam(), 1);
  const Var wide = Var::parameter(uniform({2, 3, 3, c + 2}, 4, GetParam()));
  Tape t = tape();
  Tensor first = Tensor::empty({2, 3, 3, c});
  const Tensor host = wide.value.to(Device{});
  for (std::int64_t i = 0; i < first.size(); ++i) {
    first.values()[at(i)] = host.values()[at(i / c * (c + 2) + i % c)];
  }
  const Var x = Var::parameter(first.to(GetParam()));
  const Tensor statistics = batch_statistics(t.exec(), x.value);
  const auto act = kernels::Activation::relu;
  const Var y = fused(t, wide, statistics, layer, act, {});
  t.backward(inner_product(t, y, uniform(y.shape(), 5, GetParam())));
  Tape other = tape();
  const Var expected = fused(other, x, statistics, narrow, act, {});
  other.backward(inner_product(other, expected, uniform(y.shape(), 5, GetParam())));
  expect_close(y.value, expected.value, "y");
  const Doubles dwide = doubles(wide.gradient->sum()), dx = doubles(x.gradient->sum());
  for (std::size_t i = 0; i < dwide.size(); ++i) {
    const std::size_t channel = i % (c + 2);
    EXPECT_NEAR(dwide[i], channel < c ? dx[i / (c + 2) * c + channel] : 0, 1e-6) << i;
  }
}

// The factors of the one norm behind come with the statistics: what that norm makes of them itself.
TEST_P(NormConv2dOp, LeavesTheFactorsOfTheNormBehind) {
  const auto train = [&](bool known) {
    Layer layer(GetParam(), 3);
    const Var x = Var::parameter(uniform({2, 5, 6, 3}, 4, GetParam()));
    const Var w = Var::parameter(uniform({1, 1, 3, c}, 5, GetParam()));
    Tape t = tape();
    BatchStatistics statistics;
    const Var y = norm_conv2d(t, {x, nullptr}, w, {}, &statistics, known ? &layer.state : nullptr);
    EXPECT_EQ(statistics.factors.mean.defined(), known);
    const LazyValue a = lazy_batch_norm(t, y, statistics, layer.state, nullptr,
                                        kernels::Activation::relu, Result::deferred);
    const Var z = norm_conv2d(t, a, layer.w, {});
    t.backward(inner_product(t, z, uniform(z.shape(), 6, GetParam())));
    return std::vector<Doubles>{doubles(z.value),
                                doubles(x.gradient->sum()),
                                doubles(w.gradient->sum()),
                                doubles(layer.gamma.gradient->sum()),
                                doubles(layer.beta.gradient->sum()),
                                doubles(layer.state.running_mean),
                                doubles(layer.state.running_var)};
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(NormConv2dErrors, RefusesANormBehindOfOtherChannels) {
  Tape tape{kernels::Exec{}};
  const Layer layer({}, 1);
  const Var x = Var::constant(uniform({2, 5, 5, c}, 4));
  BatchStatistics statistics;
  EXPECT_THROW(norm_conv2d(tape, {x, nullptr}, layer.w, {}, &statistics, &layer.state), ShapeError);
}

TEST(NormConv2dErrors, RefusesWhatDoesNotFit) {
  Tape tape{kernels::Exec{}};
  Layer layer({}, 3);
  const Var x = Var::constant(uniform({2, 5, 5, c}, 4));
  const auto run = [&](const Var& input, const Tensor& statistics) {
    fused(tape, input, statistics, layer, kernels::Activation::relu, {});
  };
  const Tensor statistics = batch_statistics(tape.exec(), x.value);
  EXPECT_NO_THROW(run(x, statistics));
  EXPECT_THROW(run(x, Tensor::zeros({2, c})), ShapeError);
  EXPECT_THROW(run(x, Tensor{}), ShapeError);
  EXPECT_THROW(run(Var::constant(Tensor::zeros({2, 5, 5, c - 1})), statistics), ShapeError);
  layer.state.running_var = Tensor::zeros({c + 1});
  EXPECT_THROW(run(x, statistics), ShapeError);
  const auto residual = [&](const Var& r, Result result) {
    layer.state.running_var = Tensor::zeros({c});
    lazy_batch_norm(tape, x, {statistics, nullptr}, layer.state, &r, kernels::Activation::relu,
                    result);
  };
  EXPECT_NO_THROW(residual(x, Result::stored));
  EXPECT_THROW(residual(Var::constant(Tensor::zeros({2, 5, 4, c})), Result::stored), ShapeError);
  EXPECT_THROW(residual(x, Result::deferred), ShapeError) << "a residual that isn't added";

  EXPECT_THROW(begin_in_place_concat(tape, x, c - 1), ShapeError);
  EXPECT_THROW(begin_in_place_concat(tape, Var::constant(Tensor::zeros({})), 1), ShapeError);
  const Var wide = begin_in_place_concat(tape, x, c + 1),
            other = Var::constant(Tensor::zeros({2, 5, 4, 1}));
  EXPECT_THROW(extend_in_place_concat(tape, wide, other, c), ShapeError) << "other pixels";
  EXPECT_THROW(extend_in_place_concat(tape, wide, x, c), ShapeError)
      << "more channels than are left";
}

}  // namespace
}  // namespace trifold::engine
