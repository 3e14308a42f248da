#include "pruning/channels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"
#include "tests/nn/flatten_network.h"

namespace trifold::pruning {
namespace {

nn::NodeId find(const nn::Graph& graph, const std::string& name) {
  const auto found = std::ranges::find(graph.nodes, name, &nn::Node::name);
  EXPECT_NE(found, graph.nodes.end()) << name;
  return found - graph.nodes.begin();
}

std::vector<ClassId> row(const nn::Graph& g, const Coupling& coupling, const std::string& name) {
  return coupling.of[static_cast<std::size_t>(find(g, name))];
}

TEST(Channels, AResidualStreamIsTied) {
  const nn::Graph g = nn::cifar_resnet(14, nn::Shortcut::A, 3, 10);
  const Coupling c = find_coupling(g);
  // Three streams and the first convolutions of six blocks.
  EXPECT_EQ(c.classes.size(), 16u + 32 + 64 + 2 * (16 + 32 + 64));
  for (const char* name : {"bn1", "layer1.0.conv2", "layer1.0.bn2", "layer1.1.bn2"}) {
    EXPECT_EQ(row(g, c, name), row(g, c, "conv1")) << name;
  }
  EXPECT_EQ(row(g, c, "layer1.0.bn1"), row(g, c, "layer1.0.conv1"));
  EXPECT_NE(row(g, c, "layer1.0.bn1"), row(g, c, "conv1"));
  EXPECT_EQ(row(g, c, "pool"), row(g, c, "layer3.1.bn2"));
  EXPECT_EQ(row(g, c, "linear"), std::vector<ClassId>(10, unprunable));
  EXPECT_EQ(row(g, c, "input"), std::vector<ClassId>(3, unprunable));
  // A gather is tied to its block, not to its source.
  EXPECT_EQ(row(g, c, "layer2.0.shortcut"), row(g, c, "layer2.0.bn2"));
  const ChannelClass& stream = c[row(g, c, "layer2.1.bn2")[8]];
  EXPECT_EQ(stream.producers.size(), 3u);
  EXPECT_EQ(stream.batch_norms.size(), 2u);
  EXPECT_EQ(stream.batch_norms[0].channel, 8);
  EXPECT_FALSE(stream.is_selection(g));
}

TEST(Channels, ConcatJoinsInARow) {
  const nn::Graph g = nn::densenet({.layers_per_block = 2, .growth = 4, .stem = 8}, 3, 10);
  const Coupling c = find_coupling(g);
  EXPECT_EQ(c.classes.size(), 8u + 6 * 4 + 16 + 24);
  std::vector<ClassId> expected = row(g, c, "conv1");
  for (const char* name : {"dense1.0.conv1", "dense1.1.conv1"}) {
    const auto more = row(g, c, name);
    expected.insert(expected.end(), more.begin(), more.end());
  }
  EXPECT_EQ(row(g, c, "trans1.bn1"), expected);
  // A stem channel is scaled by both layers' batch norms and by the transition's.
  EXPECT_EQ(c[expected[0]].batch_norms.size(), 3u);
  EXPECT_EQ(c[expected[12]].batch_norms.size(), 1u);
  EXPECT_EQ(c[expected[12]].batch_norms[0].channel, 12);
}

TEST(Channels, AddTiesAndAGatherSelects) {
  nn::Graph g;
  g.add("input", nn::Input{3}, {});
  g.add("a", nn::Conv2d{.filters = 2}, {0});
  g.add("b", nn::Conv2d{.filters = 2}, {0});
  g.add("sum", nn::Add{}, {1, 2});
  g.add("relu", nn::Relu{}, {3});
  g.add("select", nn::ChannelGather{{1}}, {4});
  g.add("pool", nn::GlobalAvgPool{}, {5});
  g.add("fc", nn::Linear{4}, {6});
  const Coupling c = find_coupling(g);
  ASSERT_EQ(c.classes.size(), 3u);
  EXPECT_EQ(c.of[1], c.of[2]);
  EXPECT_EQ(c.of[4], c.of[1]);
  EXPECT_EQ(c[0].nodes, (std::vector<nn::NodeId>{1, 2, 3, 4}));
  EXPECT_TRUE(c[c.class_of(5, 0)].is_selection(g));
}

TEST(Channels, FlatteningKeepsAChannelsPixelsTogether) {
  const nn::Graph g = nn::flattened();
  const Coupling c = find_coupling(g);
  EXPECT_EQ(c.classes.size(), 6u + 5 + 12 + 9);
  std::vector<ClassId> expected;
  for (const ClassId id : row(g, c, "features.5")) expected.insert(expected.end(), 4, id);
  EXPECT_EQ(row(g, c, "flatten"), expected);
  EXPECT_EQ(row(g, c, "classifier.12_dropout"), row(g, c, "classifier.12"));
  EXPECT_EQ(row(g, c, "classifier"), std::vector<ClassId>(10, unprunable));
}

TEST(Channels, TheOutputStaysWhateverMakesIt) {
  nn::Graph g;
  g.add("input", nn::Input{3}, {});
  g.add("hidden", nn::Conv2d{.filters = 2}, {0});
  g.add("classes", nn::Conv2d{.filters = 4}, {1});
  g.add("pool", nn::GlobalAvgPool{}, {2});
  const Coupling c = find_coupling(g);
  EXPECT_EQ(c.classes.size(), 2u);
  EXPECT_EQ(row(g, c, "classes"), std::vector<ClassId>(4, unprunable));
}

TEST(Channels, TyingToTheImageMakesUnprunable) {
  nn::Graph g;
  g.add("input", nn::Input{3}, {});
  g.add("conv", nn::Conv2d{.filters = 3}, {0});
  g.add("sum", nn::Add{}, {0, 1});
  EXPECT_TRUE(find_coupling(g).classes.empty());
}

}  // namespace
}  // namespace trifold::pruning
