/// Folding batch norms into convolutions changes nothing but the rounding.
#include "nn/execute/folded_network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "engine/random.h"
#include "nn/arch/architectures.h"
#include "nn/arch/resnet.h"
#include "nn/execute/executor.h"
#include "tests/nn/depthwise_network.h"
#include "tests/nn/flatten_network.h"
#include "tests/nn/grouped_network.h"
#include "tests/nn/relu6_network.h"

namespace trifold::nn {
namespace {

using engine::Tensor;

// Values that hide nothing: scales, shifts and statistics away from 1 and 0.
void fill(Network& network) {
  initialise(network, 3);
  engine::Random random(5);
  for (Parameter& p : network.parameters()) {
    const bool is_norm = p.role == Role::bn_gamma || p.role == Role::bn_beta ||
                         p.role == Role::running_mean || p.role == Role::running_var ||
                         p.role == Role::bias;
    if (!is_norm) continue;
    for (float& v : p.var.value.values()) v = static_cast<float>(0.5 + random.uniform());
  }
}

struct Case {
  std::string name;
  Graph graph;
  std::int64_t side, folded;
};

Case built_in(const char* arch, std::int64_t side, std::int64_t folded) {
  return {arch, make_architecture(arch, 3, 10), side, folded};
}

// Depthwise convolutions with a bias, a ReLU and a residual behind them, and with no batch norm.
Graph depthwise_alone() {
  Graph g;
  g.add("input", Input{3}, {});
  g.add("conv", Conv2d{.filters = 8, .window = 3, .pad = 1, .bias = true}, {0});
  g.add("first", DepthwiseConv2d{.window = 5, .pad = 2, .bias = true}, {1});
  g.add("norm", BatchNorm{.relu = true}, {2, 1});
  g.add("second", DepthwiseConv2d{.window = 3, .stride = 2}, {3});
  g.add("relu", Relu6{}, {4});
  g.add("pool", GlobalAvgPool{}, {5});
  g.add("fc", Linear{10}, {6});
  return g;
}

// The same with convolutions in groups.
Graph grouped_alone() {
  Graph g;
  g.add("input", Input{3}, {});
  g.add("conv", Conv2d{.filters = 8, .window = 3, .pad = 1, .bias = true}, {0});
  g.add("first", GroupedConv2d{.filters = 8, .groups = 4, .window = 5, .pad = 2, .bias = true},
        {1});
  g.add("norm", BatchNorm{.relu = true}, {2, 1});
  g.add("second", GroupedConv2d{.filters = 12, .groups = 2, .window = 3, .stride = 2}, {3});
  g.add("relu", Relu6{}, {4});
  g.add("pool", GlobalAvgPool{}, {5});
  g.add("fc", Linear{10}, {6});
  return g;
}

class Folded : public testing::TestWithParam<Case> {};

TEST_P(Folded, ComputesWhatTheNetworkDoes) {
  Network network(GetParam().graph);
  fill(network);
  Tensor images = Tensor::zeros({2, GetParam().side, GetParam().side, 3});
  engine::Random random(6);
  for (float& v : images.values()) v = static_cast<float>(random.normal());

  FoldedNetwork folded(network);
  EXPECT_EQ(folded.folded(), GetParam().folded);
  const Tensor logits = folded.forward({}, images);
  engine::Tape tape({}, engine::Tape::Mode::no_grad);
  const Tensor expected =
      Executor(network).forward(tape, engine::Var::constant(images), inference).logits.value;
  ASSERT_EQ(logits.shape(), expected.shape());
  double largest = 0;
  for (float v : expected.values()) largest = std::max(largest, std::abs(double{v}));
  ASSERT_GT(largest, 0.01);
  for (std::size_t i = 0; i < logits.values().size(); ++i) {
    EXPECT_NEAR(logits.values()[i], expected.values()[i], 2e-5 * largest) << i;
  }
}

std::size_t inverted_residuals_of(const Graph& graph) {
  return plan_folding(graph, ExecutionPlan(graph, Device{}).fusion).inverted_residuals.size();
}

TEST(Folding, FindsInvertedResidualsThatNothingElseReads) {
  EXPECT_EQ(inverted_residuals_of(make_architecture("mobilenetv2", 3, 10)), 17u);
  EXPECT_EQ(inverted_residuals_of(depthwise_alone()), 0u);
  EXPECT_EQ(inverted_residuals_of(make_architecture("resnet50", 3, 10)), 0u);

  const auto with_sum = [](NodeId more) {
    Graph g;
    g.add("input", Input{3}, {});
    g.add("expand", Conv2d{.filters = 8}, {0});
    g.add("depthwise", DepthwiseConv2d{.window = 3, .pad = 1}, {1});
    g.add("project", Conv2d{.filters = 8}, {2});
    g.add("sum", Add{}, {3, more});
    g.add("pool", GlobalAvgPool{}, {4});
    g.add("fc", Linear{10}, {5});
    return g;
  };
  EXPECT_EQ(inverted_residuals_of(with_sum(3)), 1u);
  EXPECT_EQ(inverted_residuals_of(with_sum(1)), 0u);
  EXPECT_EQ(inverted_residuals_of(with_sum(2)), 0u);
}

// A large batch is taken in parts.
TEST(FoldedBatch, AnswersForEveryImage) {
  Network network(make_architecture("resnet8", 3, 10));
  fill(network);
  FoldedNetwork folded(network);
  constexpr std::int64_t count = 301, side = 32;  // no multiple of any part
  Tensor images = Tensor::empty({count, side, side, 3});
  engine::Random random(6);
  for (float& v : images.values()) v = static_cast<float>(random.normal());
  const Tensor together = folded.forward({}, images);
  ASSERT_EQ(together.shape(), (engine::Shape{count, 10}));
  const std::size_t floats = images.values().size() / count;
  constexpr std::size_t few = 7;  // which no CPU takes in parts
  for (std::size_t first = 0; first < count; first += few) {
    const Tensor alone = folded.forward(
        {},
        Tensor::from({few, side, side, 3}, images.values().subspan(first * floats, few * floats)));
    for (std::size_t i = 0; i < few * 10; ++i) {
      EXPECT_NEAR(together.values()[first * 10 + i], alone.values()[i],
                  1e-5 * std::abs(alone.values()[i]) + 1e-5)
          << "image " << first + i / 10;
    }
  }
}

// All but the last of a DenseNet, whose result no convolution reads.
INSTANTIATE_TEST_SUITE_P(
    Architectures, Folded,
    testing::Values(built_in("resnet8", 32, 7), built_in("resnet8b", 20, 9),
                    built_in("resnet18", 64, 20), built_in("resnet50", 64, 53),
                    built_in("densenet40", 16, 38), built_in("densenet-bc100", 16, 98),
                    built_in("mobilenetv2", 16, 57), Case{"inverted", inverted_residuals(), 12, 14},
                    Case{"depthwise", depthwise_alone(), 11, 1},
                    Case{"grouped", grouped_alone(), 11, 1},
                    Case{"bottlenecks", grouped_bottlenecks(), 12, 13},
                    Case{"flattened", flattened(), 8, 2}, built_in("vgg16", 32, 13),
                    Case{"relu6", with_relu6(cifar_resnet(8, Shortcut::A, 3, 10)), 32, 7}),
    [](const auto& param) {
      std::string name = param.param.name;
      std::erase(name, '-');
      return name;
    });

}  // namespace
}  // namespace trifold::nn
