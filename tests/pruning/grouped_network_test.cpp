/// A network with convolutions in groups through everything: coupling, cost, weights, cutting, files.
#include "tests/nn/grouped_network.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/safetensors.h"
#include "nn/arch/architectures.h"
#include "nn/io/model_file.h"
#include "pruning/channels.h"
#include "pruning/cost.h"
#include "pruning/criterion.h"
#include "pruning/unit_weights.h"
#include "surgery_support.h"

namespace trifold::pruning {
namespace {

using testing::node_of;

constexpr std::int64_t side = 12;

TEST(GroupedNetwork, CouplesAllThatAGroupReadsAndMakes) {
  const nn::Graph g = nn::grouped_bottlenecks();
  const Coupling coupling = find_coupling(g);
  const auto row = [&](const char* name) {
    return coupling.of[static_cast<std::size_t>(node_of(g, name))];
  };
  const std::vector<ClassId> read = row("blocks.0.conv1");
  for (std::size_t c = 0; c < 12; ++c) {
    EXPECT_EQ(read[c], read[c / 2 * 2]);
    if (c >= 2) {
      EXPECT_NE(read[c], read[c - 2]);
    }
  }
  for (const char* name : {"blocks.0.bn1", "blocks.0.conv2", "blocks.0.bn2"}) {
    EXPECT_EQ(row(name), read) << name;
  }
  const ChannelClass& group = coupling[read[4]];
  EXPECT_EQ(group.producers.size(), 2u);
  EXPECT_EQ(group.batch_norms.size(), 4u);
  // What a group reads and makes may differ in number.
  nn::Graph wider = g;
  std::get<nn::GroupedConv2d>(wider.node(node_of(g, "blocks.0.conv2")).op).filters = 24;
  const Coupling of_wider = find_coupling(wider);
  const auto& made = of_wider.of[static_cast<std::size_t>(node_of(g, "blocks.0.conv2"))];
  ASSERT_EQ(made.size(), 24u);
  EXPECT_EQ(made[7], of_wider.class_of(node_of(g, "blocks.0.conv1"), 2));
  EXPECT_EQ(made[8], of_wider.class_of(node_of(g, "blocks.0.conv1"), 4));
}

TEST(GroupedNetwork, HasAUnitForEachGroup) {
  const nn::Graph g = nn::grouped_bottlenecks();
  const Units inner = find_units(g, WidthMode::inner);
  EXPECT_EQ(inner.groups, (std::vector<std::string>{"blocks.0.conv1", "blocks.1.conv1",
                                                    "blocks.2.conv1", "blocks.3.conv1"}));
  EXPECT_EQ(inner.units.size(), 4u * 6);
  const Units all = find_units(g, WidthMode::stream);
  EXPECT_EQ(all.units.size(), 4u * 6 + 8 + 12);
  EXPECT_TRUE(std::ranges::count(all.groups, "stem stream"));
}

TEST(GroupedNetwork, CostsTheChannelsOfAGroupAFilter) {
  const nn::Graph g = nn::grouped_bottlenecks();
  const Cost cost = count_cost(g, side);
  const NodeCost& first = cost.nodes[static_cast<std::size_t>(node_of(g, "blocks.0.conv2"))];
  EXPECT_EQ(first.macs, 12 * 12 * 12 * 9 * 2);
  EXPECT_EQ(first.params, 12 * 9 * 2);
  const NodeCost& strided = cost.nodes[static_cast<std::size_t>(node_of(g, "blocks.2.conv2"))];
  EXPECT_EQ(strided.macs, 6 * 6 * 18 * 9 * 3);
}

// A selection is judged by the weights of its own group alone.
TEST(GroupedNetwork, WeighsChannelsByTheFiltersOfTheirGroup) {
  nn::Graph g;
  g.add("input", nn::Input{3}, {});
  g.add("conv", nn::Conv2d{.filters = 6}, {0});
  g.add("bn", nn::BatchNorm{}, {1});
  g.add("grouped", nn::GroupedConv2d{.filters = 9, .groups = 3, .window = 3, .pad = 1}, {2});
  g.add("pool", nn::GlobalAvgPool{}, {3});
  g.add("fc", nn::Linear{4}, {4});
  const nn::Network network = testing::random_network(g, 3);
  const Coupling coupling = find_coupling(g);
  UnitWeights weights(network, coupling);
  const auto values = network.parameter("grouped.weight").var.value.values();  // (3, 3, 2, 9)
  for (std::size_t channel = 0; channel < 6; ++channel) {
    const std::vector<WeightSlice> read =
        weights.slices({0, unprunable, 2, static_cast<std::int64_t>(channel)});
    ASSERT_EQ(read.size(), 1u);
    ASSERT_EQ(read[0].values.size(), 9u * 3);
    for (std::size_t i = 0; i < 27; ++i) {
      EXPECT_EQ(read[0].values[i], values[(i / 3 * 2 + channel % 2) * 9 + channel / 2 * 3 + i % 3]);
    }
  }
  // A group is made by the filters of both its channels.
  EXPECT_EQ(weights.slices({0, coupling.class_of(1, 2), -1, 2}).size(), 2u);
}

// No batch norm leaves a channel unread that the others of its group need.
TEST(GroupedNetwork, SelectsNoSingleChannelsOfAGroup) {
  nn::Graph g;
  g.add("input", nn::Input{3}, {});
  g.add("conv", nn::Conv2d{.filters = 6}, {0});
  g.add("bn", nn::BatchNorm{}, {1});
  g.add("other", nn::BatchNorm{}, {1});
  g.add("grouped", nn::GroupedConv2d{.filters = 6, .groups = 3}, {2});
  g.add("add", nn::Add{}, {3, 4});
  g.add("pool", nn::GlobalAvgPool{}, {5});
  g.add("fc", nn::Linear{4}, {6});
  EXPECT_TRUE(find_units(g, WidthMode::inner).units.empty());
  // With channels that stand alone there are some.
  std::get<nn::GroupedConv2d>(g.node(4).op).groups = 6;
  EXPECT_EQ(find_units(g, WidthMode::inner).units.size(), 2u * 6);
}

TEST(GroupedNetwork, AnswersAsItsMaskedSelfWhereItIsCut) {
  const nn::Network network = testing::random_network(nn::grouped_bottlenecks(), 3);
  const engine::Tensor images = testing::random_images(2, side, 6);
  for (const WidthMode mode : {WidthMode::inner, WidthMode::stream}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      const CutPlan plan = testing::random_plan(network.graph(), mode, true, true, seed);
      const Cut smaller = cut(network, plan);
      validate(smaller.network.graph());
      testing::expect_close(
          testing::logits(smaller.network, images),
          testing::logits(testing::masked(network, smaller.origin.channels), images));
      for (const nn::Node& node : smaller.network.graph().nodes) {
        const auto* const op = std::get_if<nn::GroupedConv2d>(&node.op);
        if (op == nullptr) continue;
        EXPECT_EQ(op->filters / op->groups, node.name < "blocks.2" ? 2 : 3) << node.name;
        EXPECT_LE(op->groups, 6);
      }
    }
  }
}

TEST(GroupedNetwork, ComesBackFromItsFileInPyTorchsLayout) {
  nn::Model model{testing::random_network(nn::grouped_bottlenecks(4), 1), {}};
  model.info.arch = "grouped";
  model.info.side = model.info.data_side = side;
  model.info.normalisation = nn::no_normalisation(3);
  model.info.class_names = {"a", "b", "c", "d"};
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("trifold-grouped-" + std::to_string(getpid()) + ".safetensors");
  nn::save_model(path, model);
  const nn::Model read = nn::load_model(path);
  const engine::SafetensorsFile file = engine::read_safetensors(path);
  std::filesystem::remove(path);
  EXPECT_EQ(read.network.graph(), model.network.graph());
  const engine::Tensor images = testing::random_images(2, side, 6);
  EXPECT_EQ(testing::logits(read.network, images), testing::logits(model.network, images));
  // (r, s, c / groups, k) is (k, c / groups, r, s) there.
  const engine::Tensor& own = model.network.parameter("blocks.0.conv2.weight").var.value;
  const engine::Tensor stored = file.floats("blocks.0.conv2.weight");
  ASSERT_EQ(stored.shape(), (engine::Shape{12, 2, 3, 3}));
  for (std::int64_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(stored.data()[i], own.data()[(i % 9 * 2 + i / 9 % 2) * 12 + i / 18]);
  }
}

TEST(GroupedNetwork, ResNeXtIsPrunedByWholeGroups) {
  const nn::Graph g = nn::make_architecture("resnext50-32x4d", 3, 10);
  EXPECT_NEAR(
      static_cast<double>(count_cost(nn::make_architecture("resnext50-32x4d", 3, 1000), 224).macs),
      4.23e9, 1e7)
      << "as torchvision's documentation says";
  const Units inner = find_units(g, WidthMode::inner);
  EXPECT_EQ(inner.groups.size(), 16u);
  EXPECT_EQ(inner.units.size(), 16u * 32);
  const nn::Network network = testing::random_network(g, 3);
  const Cut smaller = cut(network, testing::random_plan(g, WidthMode::stream, true, true, 5));
  const engine::Tensor images = testing::random_images(1, 32, 6);
  testing::expect_close(testing::logits(smaller.network, images),
                        testing::logits(testing::masked(network, smaller.origin.channels), images));
}

}  // namespace
}  // namespace trifold::pruning
