/// Networks whose batch norms are fused with convolutions, against the same networks op by op.
#include "nn/execute/norm_fusion.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/random.h"
#include "kernels/runtime/memory.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"
#include "nn/execute/executor.h"
#include "nn/network.h"
#include "tests/nn/depthwise_network.h"
#include "tests/nn/relative_error.h"
#include "tests/nn/relu6_network.h"

namespace trifold::nn {
namespace {

using engine::Tape;
using engine::Tensor;
using engine::Var;

constexpr ForwardMode op_by_op{engine::Statistics::batch, 0.1f, false};

std::vector<std::string> fused_norms(const Graph& graph) {
  const NormFusion fusion = plan_norm_fusion(graph);
  std::vector<std::string> names;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (fusion.part_of_convolution[static_cast<std::size_t>(id)]) {
      names.push_back(graph.node(id).name);
    }
  }
  return names;
}

TEST(NormFusion, TakesNormsThatAConvolutionAloneReads) {
  // The stem's, and those behind a residual, are read by shortcuts too.
  EXPECT_EQ(fused_norms(cifar_resnet(8, Shortcut::A, 3, 10)),
            (std::vector<std::string>{"layer1.0.bn1", "layer2.0.bn1", "layer3.0.bn1"}));
  // All but the last, whose reader is a pool.
  const DenseNetSize size{.layers_per_block = 1, .growth = 4, .bottleneck = true};
  EXPECT_EQ(fused_norms(densenet(size, 3, 10)).size(), 3u * 2 + 2);
}

TEST(NormFusion, LeavesWhatItCanNotTake) {
  const auto graph = [](auto change) {
    Graph g;
    g.add("input", Input{4}, {});
    g.add("conv1", Conv2d{.filters = 4}, {0});
    g.add("bn", BatchNorm{.relu = true}, {1});
    g.add("conv2", Conv2d{.filters = 4}, {2});
    change(g);
    g.add("pool", GlobalAvgPool{}, {g.size() - 1});
    g.add("fc", Linear{2}, {g.size() - 1});
    validate(g);
    return g;
  };
  EXPECT_EQ(fused_norms(graph([](Graph&) {})).size(), 1u);
  EXPECT_TRUE(
      fused_norms(graph([](Graph& g) { std::get<Conv2d>(g.node(3).op).bias = true; })).empty())
      << "a bias";
  EXPECT_TRUE(fused_norms(graph([](Graph& g) {
                g.node(2).inputs = {1, 0};
              })).empty())
      << "a residual";
  EXPECT_TRUE(fused_norms(graph([](Graph& g) {
                g.add("sum", Add{}, {2, 3});
              })).empty())
      << "a second reader";
}

TEST(NormFusion, FindsWhoCompletesAGradient) {
  const Graph graph = cifar_resnet(8, Shortcut::B, 3, 10);
  const NormFusion fusion = plan_norm_fusion(graph);
  std::vector<std::string> completed, deferred;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const auto index = static_cast<std::size_t>(id);
    const NodeId reader = fusion.first_reader[index];
    if (reader != -1) completed.push_back(graph.node(id).name + " by " + graph.node(reader).name);
    if (fusion.norm_behind[index] != -1) deferred.push_back(graph.node(id).name);
  }
  // Not those in front of a residual add, or of the pool.
  EXPECT_EQ(completed, (std::vector<std::string>{
                           "bn1 by layer1.0.conv1", "layer1.0.bn1 by layer1.0.conv2",
                           "layer1.0.bn2 by layer2.0.conv1", "layer2.0.bn1 by layer2.0.conv2",
                           "layer2.0.bn2 by layer3.0.conv1", "layer3.0.bn1 by layer3.0.conv2"}));
  EXPECT_EQ(deferred.size(), 9u) << "every convolution of a ResNet";
}

TEST(NormFusion, LeavesGradientsThatOthersCompleteOrRead) {
  const auto plan = [](auto change) {
    Graph g;
    g.add("input", Input{4}, {});
    g.add("conv1", Conv2d{.filters = 4}, {0});
    g.add("bn", BatchNorm{.relu = true}, {1});
    change(g);
    g.add("conv2", Conv2d{.filters = 4}, {2});
    g.add("sum", Add{}, {2, g.size() - 1});
    return plan_norm_fusion(g);
  };
  const NormFusion usual = plan([](Graph&) {});
  EXPECT_EQ(usual.first_reader[2], 3);
  EXPECT_EQ(usual.norm_behind[1], 2);
  EXPECT_EQ(plan([](Graph& g) { g.add("relu", Relu{}, {2}); }).first_reader[2], -1)
      << "a relu first";
  EXPECT_EQ(plan([](Graph& g) { g.add("relu6", Relu6{}, {2}); }).first_reader[2], -1)
      << "a relu6 first";
  EXPECT_EQ(plan([](Graph& g) { g.add("relu", Relu{}, {1}); }).norm_behind[1], -1) << "a relu";
  EXPECT_EQ(plan([](Graph& g) {
              g.node(2).inputs = {1, 1};
            }).norm_behind[1],
            -1)
      << "the norm's residual";
  EXPECT_EQ(plan([](Graph& g) { g.node(2).inputs = {0, 1}; }).norm_behind[1], -1) << "a residual";
  EXPECT_EQ(plan([](Graph& g) { std::get<Conv2d>(g.node(1).op).bias = true; }).norm_behind[1], -1)
      << "a bias";
}

TEST(NormFusion, WantsMomentsOfAllThatConcatsHandOn) {
  Graph g;
  g.add("input", Input{4}, {});
  g.add("conv1", Conv2d{.filters = 4}, {0});
  g.add("conv2", Conv2d{.filters = 3}, {1});
  g.add("concat", Concat{}, {1, 2});
  g.add("bn", BatchNorm{}, {3});
  g.add("unread", Concat{}, {0, 4});
  EXPECT_EQ(plan_norm_fusion(g).statistics,
            (std::vector<bool>{false, true, true, true, false, false}));
}

TEST(NormFusion, GrowsADenseBlockInPlace) {
  const Graph graph = densenet({.layers_per_block = 3, .growth = 4}, 3, 10);
  const NormFusion fusion = plan_norm_fusion(graph);
  std::vector<std::string> growing;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const NodeId next = fusion.in_place_successor[static_cast<std::size_t>(id)];
    if (next >= 0) growing.push_back(graph.node(id).name + " " + graph.node(next).name);
  }
  EXPECT_EQ(growing, (std::vector<std::string>{
                         "dense1.0.concat dense1.1.concat", "dense1.1.concat dense1.2.concat",
                         "dense2.0.concat dense2.1.concat", "dense2.1.concat dense2.2.concat",
                         "dense3.0.concat dense3.1.concat", "dense3.1.concat dense3.2.concat"}));
}

TEST(NormFusion, GrowsNothingThatOthersRead) {
  const auto in_place_successor = [](auto change) {
    Graph g;
    g.add("input", Input{4}, {});
    g.add("conv1", Conv2d{.filters = 4}, {0});
    g.add("concat1", Concat{}, {0, 1});
    g.add("bn", BatchNorm{.relu = true}, {2});
    g.add("conv2", Conv2d{.filters = 4}, {3});
    g.add("concat2", Concat{}, {2, 4});
    change(g);
    return plan_norm_fusion(g).in_place_successor[2];
  };
  EXPECT_EQ(in_place_successor([](Graph&) {}), 5);
  EXPECT_EQ(in_place_successor([](Graph& g) { g.node(5).inputs = {4, 2}; }), -1) << "not in front";
  EXPECT_EQ(in_place_successor([](Graph& g) { g.node(5).inputs = {2, 2}; }), -1) << "twice";
  EXPECT_EQ(in_place_successor([](Graph& g) { g.add("relu", Relu{}, {2}); }), -1)
      << "another reader";
  EXPECT_EQ(in_place_successor([](Graph& g) {
              g.add("other", Concat{}, {2, 0});
            }),
            -1)
      << "a branch";
  EXPECT_EQ(in_place_successor([](Graph& g) { g.add("relu", Relu{}, {3}); }), -1)
      << "a norm of its own";
}

struct Named {
  std::string name;
  Graph graph;
};

class FusedNetwork : public testing::TestWithParam<Named> {};

DenseNetSize dense(bool bottleneck) {
  return {.layers_per_block = 3,
          .growth = 5,
          .bottleneck = bottleneck,
          .compression = bottleneck ? 0.5 : 1.0,
          .stem = 8};
}

// Inner widths as pruning leaves them.
Graph odd_widths(Graph graph) {
  std::int64_t width = 3;
  for (Node& node : graph.nodes) {
    if (node.name.starts_with("layer") && node.name.ends_with("conv1")) {
      std::get<Conv2d>(node.op).filters = width += 2;
    }
  }
  return graph;
}

INSTANTIATE_TEST_SUITE_P(
    Networks, FusedNetwork,
    testing::Values(Named{"resnet20", cifar_resnet(20, Shortcut::A, 3, 10)},
                    Named{"resnet14b", cifar_resnet(14, Shortcut::B, 3, 10)},
                    Named{"resnet14odd", odd_widths(cifar_resnet(14, Shortcut::A, 3, 10))},
                    Named{"resnet14relu6", with_relu6(cifar_resnet(14, Shortcut::B, 3, 10),
                                                      /*behind_residuals_alone=*/true)},
                    Named{"inverted", inverted_residuals()},
                    Named{"densenet", densenet(dense(false), 3, 10)},
                    Named{"densenet_bc", densenet(dense(true), 3, 10)}),
    [](const auto& network) { return network.param.name; });

Var images(std::int64_t count, std::int64_t side) {
  Tensor x = Tensor::empty({count, side, side, 3});
  engine::Random random(5);
  for (float& pixel : x.values()) pixel = static_cast<float>(random.normal());
  return Var::constant(x);
}

Tensor labels(std::int64_t count) {
  std::vector<std::int32_t> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<std::int32_t>(i % 10));
  return Tensor::from({count}, values);
}

struct Step {
  Network network;
  Tensor logits;
  std::int64_t peak_bytes;
};

// Forward and backward of a training step, with what they leave in the network.
Step step(const Graph& graph, const Var& x, const ForwardMode& mode) {
  Network network(graph);
  initialise(network, 3);
  kernels::ThreadPool threads(2);
  Tape tape({.pool = &threads});
  kernels::reset_memory_peak(Device{});
  const std::int64_t before = kernels::memory_use(Device{}).now_bytes;
  const Var logits = Executor(network).forward(tape, x, mode).logits;
  tape.backward(engine::softmax_cross_entropy(tape, logits, labels(x.shape()[0]), 0.0f));
  return {std::move(network), logits.value, kernels::memory_use(Device{}).peak_bytes - before};
}

double norm(const Tensor& t) {
  double squares = 0;
  for (const float v : t.values()) squares += static_cast<double>(v) * v;
  return std::sqrt(squares);
}

TEST_P(FusedNetwork, TrainsAsOpByOp) {
  const Var x = images(6, 16);
  const Step fused = step(GetParam().graph, x, training);
  const Step plain = step(GetParam().graph, x, op_by_op);
  EXPECT_LT(relative_error(fused.logits, plain.logits), 1e-5);
  double whole_gradient = 0;
  for (const Parameter& p : plain.network.parameters()) {
    if (is_trainable(p.role))
      whole_gradient = std::hypot(whole_gradient, norm(p.var.gradient->sum()));
  }
  ASSERT_GT(whole_gradient, 0);
  for (const Parameter& p : plain.network.parameters()) {
    const Var& other = fused.network.parameter(p.name).var;
    if (is_trainable(p.role)) {
      EXPECT_LT(relative_error(other.gradient->sum(), p.var.gradient->sum(), 1e-3 * whole_gradient),
                1e-4)
          << p.name;
    } else {
      // The mean of what a convolution makes of a norm's result without ReLU is 0, but for rounding.
      EXPECT_LT(relative_error(other.value, p.var.value, 1e-2), 1e-5) << p.name;
    }
  }
}

// No norm is in front of a convolution then, but convolutions still take their statistics.
TEST(NormFusion, TrainsNormsInFrontOfRelu6AsOpByOp) {
  const Graph graph = with_relu6(cifar_resnet(8, Shortcut::A, 3, 10));
  EXPECT_TRUE(fused_norms(graph).empty());
  const Var x = images(6, 16);
  const Step fused = step(graph, x, training), plain = step(graph, x, op_by_op);
  EXPECT_LT(relative_error(fused.logits, plain.logits), 1e-5);
  for (const char* name : {"conv1.weight", "layer2.0.bn1.weight", "linear.weight"}) {
    EXPECT_LT(relative_error(fused.network.parameter(name).var.gradient->sum(),
                             plain.network.parameter(name).var.gradient->sum()),
              1e-4)
        << name;
  }
}

TEST_P(FusedNetwork, ReallyFuses) {
  const Var x = images(2, 16);
  const Step fused = step(GetParam().graph, x, training);
  const Step plain = step(GetParam().graph, x, op_by_op);
  EXPECT_LT(fused.peak_bytes, plain.peak_bytes);
}

TEST_P(FusedNetwork, TapsOfNormsStayWhatTheyAre) {
  const Graph& graph = GetParam().graph;
  std::vector<NodeId> norms;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (std::holds_alternative<BatchNorm>(graph.node(id).op)) norms.push_back(id);
  }
  Network network(graph);
  initialise(network, 3);
  const Var x = images(2, 8);
  Tape tape({}, Tape::Mode::no_grad);
  const Outputs fused = Executor(network).forward(tape, x, training, norms);
  const Outputs plain = Executor(network).forward(tape, x, op_by_op, norms);
  ASSERT_EQ(fused.taps.size(), norms.size());
  for (std::size_t i = 0; i < norms.size(); ++i) {
    EXPECT_LT(relative_error(fused.taps[i].value, plain.taps[i].value), 1e-4)
        << graph.node(norms[i]).name;
  }
}

TEST(FusedNetworkMemory, StepsOfResNet56AndDenseNet40NeedLess) {
  const Var x = images(8, 32);
  for (const auto& [graph, most] :
       {std::pair{cifar_resnet(56, Shortcut::A, 3, 10), 0.8},
        std::pair{densenet({.layers_per_block = 12, .growth = 12, .stem = 16}, 3, 10), 0.15}}) {
    const auto fused = static_cast<double>(step(graph, x, training).peak_bytes);
    const auto plain = static_cast<double>(step(graph, x, op_by_op).peak_bytes);
    EXPECT_LT(fused, most * plain) << fused / plain;
  }
}

}  // namespace
}  // namespace trifold::nn
