#include "nn/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.h"
#include "nn/arch/resnet.h"
#include "nn/execute/executor.h"

namespace trifold::nn {
namespace {

using engine::Tape;
using engine::Tensor;
using engine::Var;

Network small(std::uint64_t seed = 1) {
  Network network(cifar_resnet(8, Shortcut::A, 3, 10));
  initialise(network, seed);
  return network;
}

Var images(std::int64_t count, std::int64_t channels = 3) {
  Tensor x = Tensor::empty({count, 8, 8, channels});
  float v = 0.0f;
  for (float& pixel : x.values()) pixel = std::sin(v += 0.7f);
  return Var::constant(x);
}

std::vector<float> values(const Tensor& t) { return {t.values().begin(), t.values().end()}; }

std::vector<float> run(const Network& network, const Var& x, const ForwardMode& mode) {
  Tape tape({}, Tape::Mode::no_grad);
  return values(Executor(network).forward(tape, x, mode).logits.value);
}

TEST(Network, ParametersFollowTheGraph) {
  const Network network = small();
  EXPECT_EQ(network.parameter("conv1.weight").var.shape(), (engine::Shape{3, 3, 3, 16}));
  EXPECT_EQ(network.parameter("linear.weight").var.shape(), (engine::Shape{64, 10}));
  EXPECT_EQ(network.parameter("layer2.0.bn1.running_var").role, Role::running_var);
  EXPECT_FALSE(network.parameter("bn1.running_mean").var.requires_grad());
  EXPECT_FALSE(network.has_parameter("conv1.bias"));
  EXPECT_THROW(network.parameter("conv1.bias"), ShapeError);
  std::int64_t count = 0;
  for (const Parameter& p : network.parameters()) {
    if (is_trainable(p.role)) count += p.var.value.size();
  }
  // Stem, three blocks, classifier, batch norms.
  EXPECT_EQ(count, 432 + (2304 * 2 + 4608 + 9216 + 18432 + 36864) + 650 + 2 * (3 * 16 + 2 * 96));
}

TEST(Network, InitialiseDependsOnTheSeedAlone) {
  const Network a = small(1), b = small(1), c = small(2);
  const char* name = "layer1.0.conv1.weight";
  EXPECT_EQ(values(a.parameter(name).var.value), values(b.parameter(name).var.value));
  EXPECT_NE(values(a.parameter(name).var.value), values(c.parameter(name).var.value));
  double square = 0.0;
  const std::vector<float> w = values(a.parameter("layer3.0.conv2.weight").var.value);
  for (float v : w) square += static_cast<double>(v) * v;
  const double expected = 2.0 / (64 * 9);
  EXPECT_NEAR(square / static_cast<double>(w.size()), expected, 0.05 * expected);
}

TEST(Network, ACloneIsItsOwn) {
  const Network a = small();
  Network b = a.clone();
  EXPECT_EQ(run(a, images(2), inference), run(b, images(2), inference));
  std::ranges::fill(b.parameter("conv1.weight").var.value.values(), 0.0f);
  EXPECT_NE(run(a, images(2), inference), run(b, images(2), inference));
}

TEST(Network, InferenceTreatsImagesAlone) {
  const Network network = small();
  const Var two = images(2);
  Tensor second = Tensor::empty({1, 8, 8, 3});
  std::ranges::copy(two.value.values().subspan(8 * 8 * 3), second.values().begin());
  const std::vector<float> both = run(network, two, inference);
  const std::vector<float> one = run(network, Var::constant(second), inference);
  EXPECT_TRUE(std::equal(one.begin(), one.end(), both.begin() + 10));
}

TEST(Network, TrainingMovesTheRunningStatisticsAndInferenceDoesNot) {
  const Network network = small();
  const Tensor mean = network.parameter("bn1.running_mean").var.value;
  run(network, images(2), inference);
  EXPECT_TRUE(std::ranges::all_of(mean.values(), [](float v) { return v == 0.0f; }));
  run(network, images(2), {engine::Statistics::batch, 1.0f});
  const std::vector<float> whole = values(mean);
  EXPECT_TRUE(std::ranges::any_of(whole, [](float v) { return v != 0.0f; }));
  std::ranges::fill(mean.values(), 0.0f);
  run(network, images(2), {engine::Statistics::batch, 0.25f});
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_NEAR(mean.values()[i], 0.25f * whole[i], 1e-6f);
  }
}

TEST(Network, TapsGiveInnerValues) {
  const Network network = small();
  const std::vector<NodeId> wanted = {0, 2, network.graph().output()};
  Tape tape({}, Tape::Mode::no_grad);
  const Var x = images(2);
  const Outputs outputs = Executor(network).forward(tape, x, inference, wanted);
  ASSERT_EQ(outputs.taps.size(), 3u);
  EXPECT_EQ(outputs.taps[0].value.data(), x.value.data());
  EXPECT_EQ(outputs.taps[1].shape(), (engine::Shape{2, 8, 8, 16}));
  EXPECT_EQ(values(outputs.taps[2].value), values(outputs.logits.value));
}

TEST(Network, RefusesImagesOfOtherChannels) {
  Tape tape({}, Tape::Mode::no_grad);
  const Network network = small();
  EXPECT_THROW(Executor(network).forward(tape, images(1, 4), inference), ShapeError);
  EXPECT_THROW(Executor(network).forward(tape, Var::constant(Tensor::zeros({2, 3})), inference),
               ShapeError);
}

TEST(Network, RefusesAnInvalidGraph) {
  Graph g = cifar_resnet(8, Shortcut::A, 3, 10);
  g.node(3).inputs = {99};
  EXPECT_THROW(Network{g}, ShapeError);
}

}  // namespace
}  // namespace trifold::nn
