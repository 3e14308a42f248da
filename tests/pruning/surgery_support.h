/// Networks with random parameters, and masking as an independent way to remove channels.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "engine/random.h"
#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"
#include "nn/data/dataset.h"
#include "nn/execute/executor.h"
#include "nn/network.h"
#include "pruning/surgery.h"

namespace trifold::pruning::testing {

inline const kernels::Exec cpu{};

inline nn::NodeId node_of(const nn::Graph& graph, const std::string& name) {
  const auto found = std::ranges::find(graph.nodes, name, &nn::Node::name);
  EXPECT_NE(found, graph.nodes.end()) << name;
  return found - graph.nodes.begin();
}

/// A network whose batch norms have random scales, shifts and statistics.
inline nn::Network random_network(nn::Graph graph, std::uint64_t seed) {
  nn::Network network(std::move(graph));
  nn::initialise(network, seed);
  engine::Random random(seed, 1000);
  for (nn::Parameter& p : network.parameters()) {
    for (float& v : p.var.value.values()) {
      const auto u = static_cast<float>(random.uniform());
      if (p.role == nn::Role::bn_gamma) v = (u < 0.3f ? -1.0f : 1.0f) * (0.3f + u);
      if (p.role == nn::Role::bn_beta || p.role == nn::Role::running_mean ||
          p.role == nn::Role::bias) {
        v = u - 0.5f;
      }
      if (p.role == nn::Role::running_var) v = 0.5f + u;
    }
  }
  return network;
}

inline engine::Tensor random_images(std::int64_t count, std::int64_t side, std::uint64_t seed) {
  engine::Tensor x = engine::Tensor::empty({count, side, side, 3});
  engine::Random random(seed, 1001);
  for (float& v : x.values()) v = static_cast<float>(random.normal());
  return x;
}

/// Noise whose brightness tells the class.
inline nn::Dataset brightness(std::int64_t count, std::int64_t side) {
  nn::Dataset data;
  data.name = "brightness";
  data.count = count;
  data.height = data.width = side;
  data.channels = 3;
  data.classes = 4;
  engine::Random random(3);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(i % data.classes);
    data.labels.push_back(label);
    for (std::int64_t p = 0; p < data.image_bytes(); ++p) {
      data.pixels.push_back(static_cast<std::uint8_t>(50 * label + random.uniform_int(50)));
    }
  }
  data.class_names = {"a", "b", "c", "d"};
  return data;
}

inline std::vector<float> logits(const nn::Network& network, const engine::Tensor& images) {
  engine::Tape tape(cpu, engine::Tape::Mode::no_grad);
  const auto y =
      nn::Executor(network).forward(tape, engine::Var::constant(images), nn::inference).logits;
  return {y.value.values().begin(), y.value.values().end()};
}

inline void expect_close(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  float largest = 0.0f;
  for (float v : b) largest = std::max(largest, std::abs(v));
  ASSERT_GT(largest, 1e-3f);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-4f * largest);
}

/// The original network with everything that `kept` doesn't list made ineffective: the outputs of
/// the batch norms are zeroed where a channel is missing, and the last batch norm of a residual
/// block that is missing adds nothing.
inline nn::Network masked(const nn::Network& original,
                          const std::map<std::string, std::vector<std::int64_t>>& kept) {
  nn::Graph graph;
  std::vector<nn::NodeId> moved;
  std::vector<std::string> silenced;
  for (const nn::Node& old : original.graph().nodes) {
    nn::Node node = old;
    for (nn::NodeId& input : node.inputs) input = moved[static_cast<std::size_t>(input)];
    graph.nodes.push_back(node);
    moved.push_back(graph.output());
    if (!std::holds_alternative<nn::BatchNorm>(node.op)) continue;
    const auto found = kept.find(node.name);
    if (found == kept.end()) {
      if (node.inputs.size() == 2) silenced.push_back(node.name);
      continue;
    }
    const auto channels = original.parameter(node.name + ".weight").var.shape()[0];
    nn::ChannelGather mask{std::vector<std::int32_t>(static_cast<std::size_t>(channels), -1)};
    for (std::int64_t c : found->second) {
      mask.source[static_cast<std::size_t>(c)] = static_cast<std::int32_t>(c);
    }
    moved.back() = graph.add(node.name + ".mask", mask, {graph.output()});
  }
  nn::Network network(std::move(graph));
  for (const nn::Parameter& p : original.parameters()) {
    network.parameter(p.name).var.value = p.var.value.clone();
  }
  for (const std::string& name : silenced) {
    for (const char* suffix : {".weight", ".bias"}) {
      std::ranges::fill(network.parameter(name + suffix).var.value.values(), 0.0f);
    }
  }
  return network;
}

/// A plan drawn at random: some blocks, and some units of which at least one a group stays.
inline CutPlan random_plan(const nn::Graph& graph, WidthMode mode, bool depth, bool width,
                           std::uint64_t seed) {
  engine::Random random(seed, 1002);
  CutPlan plan;
  if (depth) {
    std::map<std::int64_t, std::int64_t> left;
    for (const nn::Block& block : graph.blocks) ++left[block.stage];
    for (const nn::Block& block : graph.blocks) {
      const bool keep = !block.skippable || left[block.stage] == 1 || random.uniform() < 0.5;
      if (!keep) --left[block.stage];
      plan.keep_block.push_back(keep);
    }
  }
  if (width) {
    const Units all = find_units(graph, mode);
    plan.units.mode = mode;
    const double share = 0.3 + 0.7 * random.uniform();
    std::int64_t group = -1;
    for (const Unit& unit : all.units) {
      const bool first = unit.group != group;
      group = unit.group;
      plan.units.kept.push_back(first || random.uniform() < share);
    }
  }
  return plan;
}

}  // namespace trifold::pruning::testing
