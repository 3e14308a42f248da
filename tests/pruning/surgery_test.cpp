#include "pruning/surgery.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/runtime/error.h"
#include "nn/io/graph_json.h"
#include "pruning/cost.h"
#include "pruning/depth.h"
#include "surgery_support.h"
#include "tests/nn/depthwise_network.h"
#include "tests/nn/flatten_network.h"
#include "tests/nn/grouped_network.h"
#include "tests/nn/relu6_network.h"

namespace trifold::pruning {
namespace {

using testing::expect_close;
using testing::logits;
using testing::masked;
using testing::random_images;
using testing::random_network;
using testing::random_plan;

struct Case {
  const char* name;
  nn::Graph graph;
  std::int64_t side;
  int plans;
};

std::vector<Case> cases() {
  using nn::Shortcut;
  const nn::DenseNetSize dense{.layers_per_block = 3, .growth = 4, .stem = 8};
  const nn::DenseNetSize dense_bc{
      .layers_per_block = 3, .growth = 4, .bottleneck = true, .compression = 0.5, .stem = 8};
  return {{"resnet8", nn::cifar_resnet(8, Shortcut::A, 3, 10), 8, 6},
          {"resnet20", nn::cifar_resnet(20, Shortcut::A, 3, 10), 9, 10},
          {"resnet14b", nn::cifar_resnet(14, Shortcut::B, 3, 10), 8, 10},
          {"inverted", nn::inverted_residuals(), 8, 8},
          {"inverted6", nn::with_relu6(nn::inverted_residuals()), 9, 4},
          {"grouped", nn::grouped_bottlenecks(), 8, 8},
          {"flattened", nn::flattened(), 8, 8},
          {"relu6", nn::with_relu6(nn::cifar_resnet(14, Shortcut::B, 3, 10)), 8, 6},
          {"resnet18", nn::imagenet_resnet(18, 3, 7), 32, 1},
          {"resnet50", nn::imagenet_resnet(50, 3, 7), 32, 1},
          {"densenet", nn::densenet(dense, 3, 10), 8, 12},
          {"densenet_bc", nn::densenet(dense_bc, 3, 10), 8, 12}};
}

// Weights come from where the map says they do.
void expect_mapped(const nn::Network& original, const Cut& result) {
  const nn::Graph& graph = result.network.graph();
  for (const nn::Node& node : graph.nodes) {
    const auto found = result.origin.channels.find(node.name);
    if (found == result.origin.channels.end()) {
      EXPECT_TRUE(node.name.ends_with(".select"));
      continue;
    }
    const std::vector<std::int64_t>& out = found->second;
    if (std::holds_alternative<nn::BatchNorm>(node.op)) {
      for (const char* suffix : {".weight", ".bias", ".running_mean", ".running_var"}) {
        const auto cut_values = result.network.parameter(node.name + suffix).var.value.values();
        const auto values = original.parameter(node.name + suffix).var.value.values();
        ASSERT_EQ(cut_values.size(), out.size());
        for (std::size_t i = 0; i < out.size(); ++i) {
          ASSERT_EQ(cut_values[i], values[static_cast<std::size_t>(out[i])]);
        }
      }
    }
    if (std::holds_alternative<nn::DepthwiseConv2d>(node.op) ||
        std::holds_alternative<nn::GroupedConv2d>(node.op)) {
      const engine::Tensor w = result.network.parameter(node.name + ".weight").var.value;
      const engine::Tensor full = original.parameter(node.name + ".weight").var.value;
      const std::int64_t channels = full.shape().channels();
      ASSERT_EQ(w.size() / std::ssize(out), full.size() / channels);
      for (std::int64_t i = 0; i < w.size(); ++i) {
        const std::int64_t channel = out[static_cast<std::size_t>(i % std::ssize(out))];
        ASSERT_EQ(w.data()[i], full.data()[i / std::ssize(out) * channels + channel]) << node.name;
      }
    }
    const bool is_linear = std::holds_alternative<nn::Linear>(node.op);
    if (!is_linear && !std::holds_alternative<nn::Conv2d>(node.op)) continue;
    const auto& in = result.origin.channels.at(graph.node(node.inputs[0]).name);
    const engine::Tensor w = result.network.parameter(node.name + ".weight").var.value;
    const engine::Tensor full = original.parameter(node.name + ".weight").var.value;
    const std::int64_t taps = is_linear ? 1 : w.shape()[0] * w.shape()[1];
    const std::int64_t full_in = full.shape()[full.shape().rank() - 2];
    const std::int64_t full_out = full.shape().channels();
    ASSERT_EQ(w.size(), taps * std::ssize(in) * std::ssize(out));
    std::size_t at = 0;
    for (std::int64_t t = 0; t < taps; ++t) {
      for (std::int64_t i : in) {
        for (std::int64_t o : out) {
          const auto from = static_cast<std::size_t>((t * full_in + i) * full_out + o);
          ASSERT_EQ(w.values()[at++], full.values()[from]) << node.name;
        }
      }
    }
  }
}

// Exactly the planned units are gone from the batch norms; with blocks, their channels may be, too.
void expect_planned(const nn::Graph& graph, const CutPlan& plan, const ChannelMap& origin) {
  if (plan.units.kept.empty()) return;
  const Coupling coupling = find_coupling(graph);
  const std::vector<Unit> units = find_units(graph, plan.units.mode).units;
  for (std::size_t i = 0; i < units.size(); ++i) {
    std::vector<ChannelClass::Member> members = {{units[i].reader, units[i].channel}};
    if (units[i].channel_class != unprunable)
      members = coupling[units[i].channel_class].batch_norms;
    for (const auto& [node, channel] : members) {
      const auto found = origin.channels.find(graph.node(node).name);
      if (found == origin.channels.end()) continue;
      const bool present = std::ranges::binary_search(found->second, channel);
      if (!plan.units.kept[i]) {
        EXPECT_FALSE(present) << found->first << " " << channel;
      }
      if (plan.units.kept[i] && plan.keep_block.empty()) {
        EXPECT_TRUE(present) << found->first << " " << channel;
      }
    }
  }
}

// Counts from the parameters' shapes.
void expect_counted(const nn::Network& network, std::int64_t side) {
  const std::vector<nn::Extent> extents = nn::infer_extents(network.graph(), side);
  std::int64_t params = 0, macs = 0;
  for (const nn::Parameter& p : network.parameters()) {
    if (p.var.requires_grad()) params += p.var.value.size();
    if (p.role != nn::Role::conv_weight && p.role != nn::Role::depthwise_weight &&
        p.role != nn::Role::grouped_weight && p.role != nn::Role::linear_weight) {
      continue;
    }
    for (std::size_t i = 0; i < extents.size(); ++i) {
      if (network.graph().nodes[i].name + ".weight" == p.name) {
        macs += p.var.value.size() * extents[i].h * extents[i].w;
      }
    }
  }
  const Cost cost = count_cost(network.graph(), side);
  EXPECT_EQ(cost.params, params);
  EXPECT_EQ(cost.macs, macs);
}

void expect_sound(const nn::Graph& graph) {
  nn::validate(graph);
  EXPECT_EQ(nn::graph_from_json(nn::to_json(graph), "a test"), graph);
}

class Surgery : public ::testing::TestWithParam<WidthMode> {};

TEST_P(Surgery, EqualsMaskingOnRandomPlans) {
  for (const Case& c : cases()) {
    const nn::Network original = random_network(c.graph, 7);
    const engine::Tensor images = random_images(2, c.side, 8);
    for (int i = 0; i < 3 * c.plans; ++i) {
      SCOPED_TRACE(fmt::format("{} plan {}", c.name, i));
      const bool depth = i % 3 != 0, width = i % 3 != 1;
      const CutPlan plan = random_plan(c.graph, GetParam(), depth, width, 100 + i);
      const Cut result = cut(original, plan);
      expect_sound(result.network.graph());
      expect_counted(result.network, c.side);
      expect_mapped(original, result);
      expect_planned(c.graph, plan, result.origin);
      expect_close(logits(result.network, images),
                   logits(masked(original, result.origin.channels), images));
    }
  }
}

TEST_P(Surgery, CutsACutNetworkAgain) {
  for (const Case& c : cases()) {
    if (c.plans == 1) continue;
    const nn::Network original = random_network(c.graph, 9);
    const engine::Tensor images = random_images(2, c.side, 10);
    for (int i = 0; i < 8; ++i) {
      SCOPED_TRACE(fmt::format("{} plan {}", c.name, i));
      const Cut first = cut(original, random_plan(c.graph, GetParam(), i % 2, true, 200 + i));
      const WidthMode mode = i % 4 < 2 ? GetParam() : WidthMode::inner;
      Cut second =
          cut(first.network, random_plan(first.network.graph(), mode, true, true, 300 + i));
      second.origin = compose(first.origin, second.origin);
      expect_sound(second.network.graph());
      expect_counted(second.network, c.side);
      expect_mapped(original, second);
      expect_close(logits(second.network, images),
                   logits(masked(original, second.origin.channels), images));
      for (std::size_t b = 0; b < second.origin.blocks.size(); ++b) {
        EXPECT_EQ(second.network.graph().blocks[b].name,
                  c.graph.blocks[static_cast<std::size_t>(second.origin.blocks[b])].name);
      }
    }
  }
}

TEST_P(Surgery, LeavesTrainableNetworks) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    if (c.plans == 1) continue;
    const nn::Network original = random_network(c.graph, 11);
    const Cut result = cut(original, random_plan(c.graph, GetParam(), true, true, 12));
    engine::Tape tape(testing::cpu);
    const auto x = engine::Var::constant(random_images(4, c.side, 13));
    const auto y = nn::Executor(result.network).forward(tape, x, nn::training).logits;
    const std::vector<std::int32_t> labels{0, 1, 2, 3};
    tape.backward(
        engine::softmax_cross_entropy(tape, y, engine::Tensor::from({4}, std::span(labels)), 0.0f));
    for (const nn::Parameter& p : result.network.parameters()) {
      if (!p.var.requires_grad()) continue;
      ASSERT_TRUE(p.var.gradient->sum().defined()) << p.name;
      EXPECT_EQ(p.var.gradient->sum().shape(), p.var.shape()) << p.name;
      for (float v : p.var.gradient->sum().values()) ASSERT_TRUE(std::isfinite(v)) << p.name;
    }
  }
}

TEST_P(Surgery, AnEmptyPlanCopies) {
  for (const Case& c : cases()) {
    if (c.plans == 1) continue;
    const nn::Network original = random_network(c.graph, 14);
    const Cut result = cut(original, {});
    EXPECT_EQ(result.network.graph(), c.graph);
    for (const nn::Parameter& p : original.parameters()) {
      const auto a = p.var.value.values(), b = result.network.parameter(p.name).var.value.values();
      EXPECT_TRUE(std::ranges::equal(a, b)) << p.name;
      EXPECT_NE(a.data(), b.data()) << p.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Surgery, ::testing::Values(WidthMode::inner, WidthMode::stream),
                         [](const auto& instance) {
                           return instance.param == WidthMode::inner ? "inner" : "stream";
                         });

TEST(SurgeryDepth, EqualsABypassByHand) {
  const nn::Graph graph = nn::cifar_resnet(20, nn::Shortcut::A, 3, 10);
  const nn::Network original = random_network(graph, 15);
  const engine::Tensor images = random_images(2, 8, 16);
  for (std::size_t b = 0; b < graph.blocks.size(); ++b) {
    const nn::Block& block = graph.blocks[b];
    if (!block.skippable) continue;
    nn::Graph by_hand = graph;
    for (nn::NodeId id = block.output + 1; id < graph.size(); ++id) {
      std::ranges::replace(by_hand.node(id).inputs, block.output, block.input);
    }
    nn::Network bypassed(by_hand);
    for (const nn::Parameter& p : original.parameters()) {
      bypassed.parameter(p.name).var.value = p.var.value;
    }
    CutPlan plan{std::vector<bool>(graph.blocks.size(), true), {}};
    plan.keep_block[b] = false;
    const Cut result = cut(original, plan);
    EXPECT_EQ(logits(result.network, images), logits(bypassed, images)) << block.name;
    EXPECT_EQ(result.network.graph().size(), graph.size() - 4);
    EXPECT_FALSE(result.network.has_parameter(block.name + ".conv1.weight"));
  }
}

TEST(SurgeryDepth, ADenseLayersChannelsVanishFromEveryReader) {
  const nn::Graph graph = nn::densenet({.layers_per_block = 3, .growth = 4, .stem = 8}, 3, 10);
  const nn::Network original = random_network(graph, 17);
  CutPlan plan{std::vector<bool>(9, true), {}};
  plan.keep_block[1] = false;
  const Cut result = cut(original, plan);
  EXPECT_EQ(result.origin.channels.at("trans1.bn1"),
            (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19}));
  EXPECT_EQ(result.origin.blocks, (std::vector<std::int64_t>{0, 2, 3, 4, 5, 6, 7, 8}));
}

// The image's channels, which can't be pruned, tie those of a gather whose sources can.
TEST(SurgeryWidth, AGatherTiedToTheImageKeepsItsChannels) {
  nn::Graph graph;
  graph.add("image", nn::Input{3}, {});
  graph.add("conv", nn::Conv2d{.filters = 4, .window = 3, .pad = 1}, {0});
  graph.add("bn", nn::BatchNorm{}, {1});
  graph.add("gather", nn::ChannelGather{{0, 1, 3}, 1}, {2});
  graph.add("sum", nn::Add{}, {0, 3});
  graph.add("pool", nn::GlobalAvgPool{}, {4});
  graph.add("linear", nn::Linear{.outputs = 2}, {5});
  const nn::Network network = random_network(graph, 21);
  const Units units = find_units(graph, WidthMode::stream);
  ASSERT_EQ(units.units.size(), 4U);
  CutPlan plan{{}, {WidthMode::stream, {false, true, true, true}}};
  const Cut result = cut(network, plan);
  const nn::Graph& small = result.network.graph();
  EXPECT_EQ(std::get<nn::Conv2d>(small.node(1).op).filters, 3);
  EXPECT_EQ(std::get<nn::ChannelGather>(small.node(3).op).source,
            (std::vector<std::int32_t>{-1, 0, 2}));
  nn::Network masked = network.clone();
  for (const char* name : {"bn.weight", "bn.bias"}) {
    masked.parameter(name).var.value.values()[0] = 0.0f;
  }
  const engine::Tensor images = random_images(3, 5, 22);
  expect_close(logits(result.network, images), logits(masked, images));
}

// A hidden linear layer's output that is gone weighs nothing in what reads it.
TEST(SurgeryWidth, HiddenLinearLayersAreCutWithTheirReaders) {
  const nn::Graph graph = nn::flattened();
  const nn::Network network = random_network(graph, 23);
  const Units units = find_units(graph, WidthMode::stream, true);
  EXPECT_EQ(units.groups, (std::vector<std::string>{"features.6", "features.5", "classifier.12",
                                                    "classifier.9"}));
  ASSERT_EQ(units.units.size(), 6u + 5 + 12 + 9);
  CutPlan plan{{}, {WidthMode::stream, std::vector<bool>(units.units.size(), true), true}};
  nn::Network masked = network.clone();
  for (std::size_t i = 0; i < units.units.size(); ++i) {
    if (i % 3 != 1) continue;
    plan.units.kept[i] = false;
    const Unit& unit = units.units[i];
    const std::string& group = units.groups[static_cast<std::size_t>(unit.group)];
    const bool is_linear = group.starts_with("classifier");
    for (const char* suffix : {".weight", ".bias"}) {
      const engine::Tensor values =
          masked.parameter(group + (is_linear ? "" : "_bn") + suffix).var.value;
      for (std::int64_t at = unit.channel; at < values.size(); at += values.shape().channels()) {
        values.data()[at] = 0.0f;
      }
    }
  }
  const Cut result = cut(network, plan);
  const nn::Graph& small = result.network.graph();
  EXPECT_EQ(std::get<nn::Linear>(small.node(8).op).outputs, 8);
  EXPECT_EQ(std::get<nn::Linear>(small.node(11).op).outputs, 6);
  EXPECT_EQ(std::get<nn::Linear>(small.node(14).op).outputs, 10) << "the logits stay";
  EXPECT_EQ(nn::infer_channels(small)[7], 4 * std::get<nn::Conv2d>(small.node(4).op).filters);
  const engine::Tensor images = random_images(3, 8, 24);
  expect_close(logits(result.network, images), logits(masked, images));
  expect_mapped(network, result);
}

TEST(SurgeryErrors, NameTheProblem) {
  const nn::Graph graph = nn::cifar_resnet(14, nn::Shortcut::A, 3, 10);
  const nn::Network network = random_network(graph, 18);
  EXPECT_THROW(cut(network, {.keep_block = {true}, .units = {}}), ShapeError);
  EXPECT_THROW(cut(network, {.keep_block = {}, .units = {WidthMode::inner, {true, false}}}),
               ShapeError);
  CutPlan plan{std::vector<bool>(6, true), {}};
  plan.keep_block[2] = false;
  try {
    cut(network, plan);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("layer2.0"), std::string::npos);
  }
  nn::Graph wrong = graph;
  wrong.blocks[2].skippable = true;
  EXPECT_THROW(cut(random_network(wrong, 18), plan), ConfigError);
  const std::size_t units = find_units(graph, WidthMode::inner).units.size();
  plan = {{}, {WidthMode::inner, std::vector<bool>(units, false)}};
  EXPECT_THROW(cut(network, plan), ConfigError);
}

}  // namespace
}  // namespace trifold::pruning
