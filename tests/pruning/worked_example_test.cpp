/// The figures of pruning/README.md's examples of surgery.
#include <gtest/gtest.h>

#include <algorithm>

#include "pruning/surgery.h"
#include "surgery_support.h"

namespace trifold::pruning {
namespace {

using Channels = std::vector<std::int64_t>;

nn::Graph two_blocks() {
  nn::Graph g;
  const auto conv = [&](const std::string& name, nn::NodeId x, std::int64_t filters,
                        std::int64_t stride = 1) {
    const nn::NodeId y =
        g.add(name, nn::Conv2d{.filters = filters, .window = 3, .stride = stride, .pad = 1}, {x});
    return y;
  };
  const nn::NodeId image = g.add("image", nn::Input{3}, {});
  const nn::NodeId stem = g.add("stem.bn", nn::BatchNorm{.relu = true}, {conv("stem", image, 4)});
  nn::NodeId x = g.add("A.bn1", nn::BatchNorm{.relu = true}, {conv("A.conv1", stem, 4)});
  const nn::NodeId a = g.add("A.bn2", nn::BatchNorm{.relu = true}, {conv("A.conv2", x, 4), stem});
  const nn::NodeId shortcut =
      g.add("B.shortcut", nn::ChannelGather{{-1, -1, 0, 1, 2, 3, -1, -1}, 2}, {a});
  x = g.add("B.bn1", nn::BatchNorm{.relu = true}, {conv("B.conv1", a, 8, 2)});
  const nn::NodeId b =
      g.add("B.bn2", nn::BatchNorm{.relu = true}, {conv("B.conv2", x, 8), shortcut});
  g.add("linear", nn::Linear{10}, {g.add("pool", nn::GlobalAvgPool{}, {b})});
  g.blocks = {{"A", 0, stem, a, true}, {"B", 1, a, b, false}};
  return g;
}

// Marks a group's channels as removed.
void remove_channels(const Units& all, const std::string& group, const Channels& channels,
                     std::vector<bool>& kept) {
  const auto index = std::ranges::find(all.groups, group) - all.groups.begin();
  ASSERT_LT(index, std::ssize(all.groups)) << group;
  for (std::size_t i = 0; i < all.units.size(); ++i) {
    if (all.units[i].group == index && std::ranges::count(channels, all.units[i].channel) > 0) {
      kept[i] = false;
    }
  }
}

TEST(WorkedExample, OfTwoResidualBlocks) {
  const nn::Network network = testing::random_network(two_blocks(), 1);
  const Units all = find_units(network.graph(), WidthMode::stream);
  CutPlan plan{.keep_block = {false, true},
               .units = {WidthMode::stream, std::vector<bool>(all.units.size(), true)}};
  remove_channels(all, "stem stream", {2}, plan.units.kept);
  remove_channels(all, "B.conv1", {5}, plan.units.kept);
  remove_channels(all, "B.shortcut stream", {0, 4}, plan.units.kept);
  ASSERT_EQ(std::ranges::count(plan.units.kept, false), 4);

  const Cut cut = pruning::cut(network, plan);
  const auto& channels = cut.origin.channels;
  EXPECT_EQ(channels.at("stem"), (Channels{0, 1, 3}));
  EXPECT_FALSE(channels.contains("A.conv1"));
  EXPECT_FALSE(channels.contains("A.conv2"));
  EXPECT_EQ(channels.at("B.conv1"), (Channels{0, 1, 2, 3, 4, 6, 7}));
  EXPECT_EQ(channels.at("B.conv2"), (Channels{1, 2, 3, 5, 6, 7}));
  EXPECT_EQ(channels.at("B.shortcut"), (Channels{1, 2, 3, 5, 6, 7}));
  for (const nn::Node& node : cut.network.graph().nodes) {
    if (node.name != "B.shortcut") continue;
    EXPECT_EQ(std::get<nn::ChannelGather>(node.op).source,
              (std::vector<std::int32_t>{-1, 0, 1, 2, -1, -1}));
    EXPECT_EQ(cut.network.graph().node(node.inputs[0]).name, "stem.bn");
  }
  EXPECT_EQ(cut.network.parameter("B.conv1.weight").var.shape(), (engine::Shape{3, 3, 3, 7}));
  EXPECT_EQ(cut.network.parameter("linear.weight").var.shape(), (engine::Shape{6, 10}));
  const engine::Tensor images = testing::random_images(2, 8, 3);
  testing::expect_close(testing::logits(cut.network, images),
                        testing::logits(testing::masked(network, channels), images));
}

TEST(WorkedExample, OfADenseBlock) {
  nn::Graph g;
  const nn::NodeId image = g.add("image", nn::Input{3}, {});
  nn::NodeId x = g.add("stem", nn::Conv2d{.filters = 4, .window = 3, .pad = 1}, {image});
  for (const std::string name : {"layer1", "layer2"}) {
    const nn::NodeId norm = g.add(name + ".bn", nn::BatchNorm{.relu = true}, {x});
    const nn::NodeId y =
        g.add(name + ".conv", nn::Conv2d{.filters = 2, .window = 3, .pad = 1}, {norm});
    const nn::NodeId joined = g.add(name + ".concat", nn::Concat{}, {x, y});
    g.blocks.push_back({name, 0, x, joined, true});
    x = joined;
  }
  x = g.add("pool", nn::GlobalAvgPool{}, {g.add("bn", nn::BatchNorm{.relu = true}, {x})});
  g.add("linear", nn::Linear{10}, {x});
  const nn::Network network = testing::random_network(std::move(g), 2);

  const Cut cut = pruning::cut(network, {.keep_block = {false, true}});
  EXPECT_EQ(cut.origin.channels.at("layer2.bn"), (Channels{0, 1, 2, 3}));
  EXPECT_EQ(cut.origin.channels.at("bn"), (Channels{0, 1, 2, 3, 6, 7}));
  EXPECT_FALSE(cut.origin.channels.contains("layer1.conv"));
  const engine::Tensor rows = cut.network.parameter("linear.weight").var.value;
  const engine::Tensor full = network.parameter("linear.weight").var.value;
  ASSERT_EQ(rows.shape(), (engine::Shape{6, 10}));
  EXPECT_EQ(rows.values()[4 * 10], full.values()[6 * 10]);
  EXPECT_EQ(rows.values()[3 * 10], full.values()[3 * 10]);
}

}  // namespace
}  // namespace trifold::pruning
