#include "pruning/cost.h"

#include <gtest/gtest.h>

#include "nn/arch/architectures.h"
#include "nn/arch/densenet.h"
#include "surgery_support.h"

namespace trifold::pruning {
namespace {

double macs(const nn::Graph& graph, std::int64_t side = 32) {
  return static_cast<double>(count_cost(graph, side).macs);
}

// Keeps the first `share` of every group.
CutPlan first_of_each_group(const nn::Graph& graph, WidthMode mode, double share) {
  const Units all = find_units(graph, mode);
  std::vector<std::int64_t> size(all.groups.size(), 0), seen(all.groups.size(), 0);
  for (const Unit& unit : all.units) ++size[static_cast<std::size_t>(unit.group)];
  CutPlan plan;
  plan.units.mode = mode;
  for (const Unit& unit : all.units) {
    const auto g = static_cast<std::size_t>(unit.group);
    plan.units.kept.push_back(static_cast<double>(seen[g]++) <
                              share * static_cast<double>(size[g]));
  }
  return plan;
}

double ratio(const nn::Graph& graph, const CutPlan& plan) {
  return macs(cut(nn::Network(graph), plan).network.graph()) / macs(graph);
}

// A stem of twice the growth, as in the networks whose counts are published.
nn::Graph densenet40(std::int64_t layers) {
  return nn::densenet({.layers_per_block = layers, .growth = 12, .stem = 24}, 3, 10);
}

CutPlan blocks_per_stage(std::int64_t stages, std::int64_t all, std::int64_t kept) {
  CutPlan plan;
  for (std::int64_t s = 0; s < stages; ++s) {
    for (std::int64_t i = 0; i < all; ++i) plan.keep_block.push_back(i < kept);
  }
  return plan;
}

TEST(Cost, EqualsThePublishedCounts) {
  EXPECT_NEAR(macs(nn::make_architecture("resnet20", 3, 10)), 40.55e6, 5e3);
  EXPECT_NEAR(macs(nn::make_architecture("resnet32", 3, 10)), 68.86e6, 5e3);
  EXPECT_NEAR(macs(nn::make_architecture("resnet56", 3, 10)), 125.49e6, 5e3);
  EXPECT_NEAR(macs(nn::make_architecture("resnet110", 3, 10)), 252.89e6, 5e3);
  EXPECT_NEAR(macs(densenet40(12)), 282.9e6, 5e4);
  EXPECT_NEAR(macs(nn::make_architecture("vgg16", 3, 10)), 313.2e6, 5e4);
  // torchvision's documentation: 0.39 billion at 224 pixels.
  EXPECT_NEAR(macs(nn::make_architecture("efficientnet-b0", 3, 1000), 224), 0.386e9, 5e6);
  // Counted in PyTorch by hooks on the layers.
  EXPECT_EQ(count_cost(nn::make_architecture("mobilenetv2", 3, 10), 32).macs, 91154944);
}

TEST(Cost, RatiosOfResNet56) {
  const nn::Graph graph = nn::make_architecture("resnet56", 3, 10);
  EXPECT_NEAR(ratio(graph, blocks_per_stage(3, 9, 5)), 0.549, 5e-4);
  EXPECT_NEAR(ratio(graph, first_of_each_group(graph, WidthMode::stream, 0.5)), 0.251, 5e-4);
  EXPECT_NEAR(ratio(graph, first_of_each_group(graph, WidthMode::inner, 0.5)), 0.502, 5e-4);
  const std::vector<std::pair<std::int64_t, double>> sides = {
      {28, 0.766}, {24, 0.5625}, {20, 0.391}, {16, 0.25}, {30, 0.919}, {26, 0.695}, {22, 0.502}};
  for (const auto& [side, expected] : sides) {
    EXPECT_NEAR(macs(graph, side) / macs(graph), expected, 6e-4) << side;
  }
}

TEST(Cost, RatiosOfDenseNet40) {
  const nn::Graph graph = densenet40(12);
  EXPECT_NEAR(ratio(graph, first_of_each_group(graph, WidthMode::inner, 0.5)), 0.501, 1e-3);
  // Built with 8 layers a block its transitions are narrower, too; cut down to 8 they keep their
  // filters, which later layers go on reading.
  EXPECT_NEAR(macs(densenet40(8)) / macs(graph), 0.480, 1e-3);
  EXPECT_NEAR(ratio(graph, blocks_per_stage(3, 12, 8)), 0.58, 1e-2);
}

TEST(Cost, CountsBiasesAndActivations) {
  nn::Graph g;
  g.add("input", nn::Input{3}, {});
  g.add("conv", nn::Conv2d{.filters = 5, .window = 3, .stride = 2, .pad = 1, .bias = true}, {0});
  g.add("bn", nn::BatchNorm{.relu = true}, {1});
  g.add("pool", nn::GlobalAvgPool{}, {2});
  g.add("fc", nn::Linear{.outputs = 4, .bias = false}, {3});
  const Cost cost = count_cost(g, 7);
  ASSERT_EQ(cost.nodes.size(), 5u);
  EXPECT_EQ(cost.nodes[1].macs, 4 * 4 * 3 * 3 * 3 * 5);
  EXPECT_EQ(cost.nodes[1].params, 3 * 3 * 3 * 5 + 5);
  EXPECT_EQ(cost.nodes[2].params, 10);
  EXPECT_EQ(cost.nodes[4].params, 20);
  EXPECT_EQ(cost.activations, 7 * 7 * 3 + 2 * 4 * 4 * 5 + 5 + 4);
  EXPECT_EQ(cost.flops(), 2 * (4 * 4 * 3 * 3 * 3 * 5 + 20));
}

TEST(Cost, OfThePaper) { EXPECT_DOUBLE_EQ(paper_cost(0.5, 0.5, 0.75), 0.0703125); }

}  // namespace
}  // namespace trifold::pruning
