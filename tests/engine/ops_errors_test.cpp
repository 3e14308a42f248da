/// Every op refuses inputs that don't fit together, before it touches them.
#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

Var zeros(Shape shape) { return Var::parameter(Tensor::zeros(std::move(shape))); }
Tensor zero_ints(Shape shape) { return Tensor::zeros(std::move(shape), {}, DType::i32); }

// A function, since the code of so many EXPECT_THROW in one body takes minutes to compile with the
// sanitizers. Clang 14 has no std::source_location.
void refuses(const std::function<void()>& body, int line = __builtin_LINE()) {
  EXPECT_THROW(body(), ShapeError) << "line " << line;
}

struct OpErrors : ::testing::Test {
  Tape tape{kernels::Exec{}};
  Var image = zeros({2, 4, 4, 3});
};

TEST_F(OpErrors, Conv2d) {
  const Var w = zeros({3, 3, 3, 5}), b = zeros({5}), wrong_b = zeros({3});
  EXPECT_NO_THROW(conv2d(tape, image, w, &b, {}));
  refuses([&] { conv2d(tape, zeros({4, 4, 3}), w, nullptr, {}); });
  refuses([&] { conv2d(tape, image, zeros({3, 3, 3}), nullptr, {}); });
  refuses([&] { conv2d(tape, image, zeros({3, 3, 4, 5}), nullptr, {}); });
  refuses([&] { conv2d(tape, image, w, &wrong_b, {}); });
  refuses([&] { conv2d(tape, image, w, nullptr, {.stride_h = 0}); });
  refuses([&] { conv2d(tape, image, w, nullptr, {.pad_w = -1}); });
  refuses([&] { conv2d(tape, image, w, nullptr, {.pad_h = 3}); });
  refuses([&] { conv2d(tape, image, zeros({5, 5, 3, 5}), nullptr, {}); });
  refuses([&] { conv2d(tape, zeros({0, 4, 4, 3}), w, nullptr, {}); });
}

TEST_F(OpErrors, GroupedConv2d) {
  const Var w = zeros({3, 3, 1, 6}), b = zeros({6}), wrong_b = zeros({3});
  EXPECT_NO_THROW(grouped_conv2d(tape, image, w, &b, 3, {}));
  refuses([&] { grouped_conv2d(tape, zeros({4, 4, 3}), w, nullptr, 3, {}); });
  refuses([&] { grouped_conv2d(tape, image, zeros({3, 3, 6}), nullptr, 3, {}); });
  refuses([&] { grouped_conv2d(tape, image, w, nullptr, 0, {}); });
  refuses([&] { grouped_conv2d(tape, image, w, nullptr, 2, {}); });
  refuses([&] { grouped_conv2d(tape, image, w, nullptr, 1, {}); });
  refuses([&] { grouped_conv2d(tape, image, zeros({3, 3, 1, 5}), nullptr, 3, {}); });
  refuses([&] { grouped_conv2d(tape, image, w, &wrong_b, 3, {}); });
  refuses([&] { grouped_conv2d(tape, image, w, nullptr, 3, {.stride_w = 0}); });
}

TEST_F(OpErrors, DepthwiseConv2d) {
  const Var w = zeros({3, 3, 3}), b = zeros({3}), wrong_b = zeros({5});
  EXPECT_NO_THROW(depthwise_conv2d(tape, image, w, &b, {}));
  refuses([&] { depthwise_conv2d(tape, zeros({4, 4, 3}), w, nullptr, {}); });
  refuses([&] { depthwise_conv2d(tape, image, zeros({3, 3, 3, 1}), nullptr, {}); });
  refuses([&] { depthwise_conv2d(tape, image, zeros({3, 3, 4}), nullptr, {}); });
  refuses([&] { depthwise_conv2d(tape, image, w, &wrong_b, {}); });
  refuses([&] { depthwise_conv2d(tape, image, w, nullptr, {.stride_w = 0}); });
  refuses([&] { depthwise_conv2d(tape, image, w, nullptr, {.pad_h = 3}); });
  refuses([&] { depthwise_conv2d(tape, image, zeros({5, 5, 3}), nullptr, {}); });
}

TEST_F(OpErrors, BatchNorm) {
  const auto run = [&](const Var& x, std::int64_t gamma, std::int64_t beta, std::int64_t mean,
                       std::int64_t var, const Var* residual, Statistics statistics) {
    const Var scale = zeros({gamma}), shift = zeros({beta});
    const BatchNormState state{&scale, &shift, Tensor::zeros({mean}), Tensor::filled({var}, 1.0f)};
    batch_norm(tape, x, state, statistics, residual, kernels::Activation::relu);
  };
  const Var smaller = zeros({2, 4, 3, 3});
  for (Statistics statistics : {Statistics::batch, Statistics::running}) {
    EXPECT_NO_THROW(run(image, 3, 3, 3, 3, &image, statistics));
    refuses([&] { run(image, 4, 3, 3, 3, nullptr, statistics); });
    refuses([&] { run(image, 3, 4, 3, 3, nullptr, statistics); });
    refuses([&] { run(image, 3, 3, 4, 3, nullptr, statistics); });
    refuses([&] { run(image, 3, 3, 3, 4, nullptr, statistics); });
    refuses([&] { run(image, 3, 3, 3, 3, &smaller, statistics); });
    refuses([&] { run(zeros({}), 1, 1, 1, 1, nullptr, statistics); });
    refuses([&] { run(zeros({0, 3}), 3, 3, 3, 3, nullptr, statistics); });
  }
}

TEST_F(OpErrors, Add) {
  refuses([&] { add(tape, image, zeros({2, 4, 4, 1})); });
}

TEST_F(OpErrors, Resize) {
  constexpr auto plain = kernels::ResizeFilter::plain;
  refuses([&] { resize(tape, zeros({4, 4, 3}), 2, 2, plain); });
  refuses([&] { resize(tape, image, 0, 2, plain); });
  refuses([&] { resize(tape, image, 2, -2, plain); });
}

TEST_F(OpErrors, Pools) {
  for (auto pool : {max_pool, avg_pool}) {
    EXPECT_NO_THROW(pool(tape, image, {2, 2, 2, 2}));
    refuses([&] { pool(tape, zeros({4, 4, 3}), {2, 2, 2, 2}); });
    refuses([&] { pool(tape, image, {5, 2, 1, 1}); });
    refuses([&] { pool(tape, image, {0, 2, 1, 1}); });
    refuses([&] { pool(tape, image, {2, 2, 0, 1}); });
    refuses([&] { pool(tape, image, {2, 2, 1, 1, 2, 0}); });
    refuses([&] { pool(tape, image, {2, 2, 1, 1, 0, -1}); });
  }
  refuses([&] { global_avg_pool(tape, zeros({2, 3})); });
  refuses([&] { global_avg_pool(tape, zeros({2, 0, 4, 3})); });
}

TEST_F(OpErrors, Linear) {
  const Var x = zeros({2, 3}), w = zeros({3, 5}), b = zeros({5}), wrong_b = zeros({3});
  EXPECT_NO_THROW(linear(tape, x, w, &b));
  refuses([&] { linear(tape, zeros({2, 1, 3}), w, nullptr); });
  refuses([&] { linear(tape, x, zeros({5, 3}), nullptr); });
  refuses([&] { linear(tape, x, zeros({3}), nullptr); });
  refuses([&] { linear(tape, x, w, &wrong_b); });
  refuses([&] { linear(tape, zeros({0, 3}), w, nullptr); });
}

TEST_F(OpErrors, Flatten) {
  EXPECT_NO_THROW(flatten(tape, image));
  refuses([&] { flatten(tape, zeros({2, 3})); });
  refuses([&] { flatten(tape, zeros({2, 0, 4, 3})); });
}

TEST_F(OpErrors, Dropout) {
  const Tensor step = Tensor::zeros({1});
  EXPECT_NO_THROW(dropout(tape, image, 0.5f, {}, step));
  refuses([&] { dropout(tape, image, 1.0f, {}, step); });
  refuses([&] { dropout(tape, image, 0.5f, {}, Tensor::zeros({2})); });
  refuses([&] { dropout(tape, image, 0.5f, {}, zero_ints({1})); });
}

TEST_F(OpErrors, Concat) {
  EXPECT_NO_THROW(concat(tape, std::array{image, zeros({2, 4, 4, 1})}));
  refuses([&] { concat(tape, {}); });
  refuses([&] { concat(tape, std::array{zeros({})}); });
  refuses([&] { concat(tape, std::array{zeros({3}), zeros({})}); });
  refuses([&] { concat(tape, std::array{image, zeros({2, 4, 3})}); });
  refuses([&] { concat(tape, std::array{image, zeros({2, 3, 4, 3})}); });
  refuses([&] { concat(tape, std::array{image, zeros({2, 4, 4, 0})}); });
}

TEST_F(OpErrors, ChannelGather) {
  EXPECT_NO_THROW(channel_gather(tape, image, zero_ints({2}), 2));
  refuses([&] { channel_gather(tape, zeros({2, 3}), zero_ints({2}), 1); });
  refuses([&] { channel_gather(tape, image, zero_ints({2}), 0); });
  refuses([&] { channel_gather(tape, image, zero_ints({0}), 1); });
  refuses([&] { channel_gather(tape, image, Tensor::zeros({2}), 1); });
  refuses([&] { channel_gather(tape, image, Tensor{}, 1); });
  for (std::int32_t source : {-2, 3}) {
    refuses([&] { channel_gather(tape, image, Tensor::from({1}, std::array{source}), 1); });
  }
}

TEST_F(OpErrors, SoftmaxCrossEntropy) {
  const Var logits = zeros({2, 5});
  EXPECT_NO_THROW(softmax_cross_entropy(tape, logits, zero_ints({2}), 0.1f));
  refuses([&] { softmax_cross_entropy(tape, image, zero_ints({2}), 0.0f); });
  refuses([&] { softmax_cross_entropy(tape, logits, zero_ints({3}), 0.0f); });
  refuses([&] { softmax_cross_entropy(tape, logits, Tensor::zeros({2}), 0.0f); });
  refuses([&] { softmax_cross_entropy(tape, zeros({0, 5}), zero_ints({0}), 0.0f); });
  for (std::int32_t label : {-1, 5}) {
    refuses([&] {
      softmax_cross_entropy(tape, logits, Tensor::from({2}, std::array{0, label}), 0.0f);
    });
  }
}

TEST_F(OpErrors, DistillationLoss) {
  const Var logits = zeros({2, 5});
  const auto loss = [&](const Var& z, const Tensor& labels, const Tensor& teacher) {
    distillation_loss(tape, z, labels, 0.1f, teacher, {.weight = 0.5, .temperature = 4});
  };
  const Tensor teacher = Tensor::zeros({2, 5});
  EXPECT_NO_THROW(loss(logits, zero_ints({2}), teacher));
  refuses([&] { loss(image, zero_ints({2}), image.value); });
  refuses([&] { loss(logits, zero_ints({3}), teacher); });
  refuses([&] { loss(logits, zero_ints({2}), Tensor::zeros({2, 4})); });
  refuses([&] { loss(logits, zero_ints({2}), Tensor::zeros({1, 5})); });
  refuses([&] { loss(logits, zero_ints({2}), zero_ints({2, 5})); });
  refuses([&] { loss(logits, zero_ints({2}), Tensor{}); });
}

}  // namespace
}  // namespace trifold::engine
