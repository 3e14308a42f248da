#include "nn/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "kernels/runtime/error.h"
#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"
#include "nn/io/graph_json.h"
#include "nn/least_bytes.h"
#include "tests/nn/depthwise_network.h"
#include "tests/nn/excited_network.h"
#include "tests/nn/flatten_network.h"

namespace trifold::nn {
namespace {

// Every op once.
Graph sample() {
  Graph g;
  g.add("input", Input{3}, {});
  g.add("conv", Conv2d{.filters = 4, .window = 3, .stride = 2, .pad = 1, .bias = true}, {0});
  g.add("bn", BatchNorm{.relu = true, .eps = 1e-3f}, {1});
  g.add("relu", Relu{}, {1});
  g.add("add", Add{}, {2, 3});
  g.add("gather", ChannelGather{{2, -1, 0, 2}, 1}, {4});
  g.add("bn_residual", BatchNorm{}, {5, 4});
  g.add("concat", Concat{}, {6, 4, 1});
  g.add("max", Pool{PoolKind::max, 3, 2, 1}, {7});
  g.add("average", Pool{PoolKind::average, 2, 2}, {8});
  g.add("global", GlobalAvgPool{}, {9});
  g.add("linear", Linear{.outputs = 5, .bias = false}, {10});
  g.add("relu6", Relu6{}, {11});
  g.add("depthwise", DepthwiseConv2d{.window = 3, .stride = 2, .pad = 1, .bias = true}, {12});
  g.add("dropout", Dropout{0.25f}, {13});
  g.add("flatten", Flatten{1}, {14});
  g.add("sigmoid", Sigmoid{}, {15});
  g.add("silu", Sigmoid{kernels::SigmoidKind::silu}, {16});
  g.add("hard_sigmoid", Sigmoid{kernels::SigmoidKind::hard_sigmoid}, {17});
  g.add("hard_swish", Sigmoid{kernels::SigmoidKind::hard_swish}, {18});
  g.add("scale", ChannelScale{}, {13, 19});
  g.add("grouped",
        GroupedConv2d{.filters = 10, .groups = 5, .window = 3, .stride = 2, .pad = 1, .bias = true},
        {20});
  g.blocks.push_back({"block", 0, 4, 6, true});
  return g;
}

TEST(Graph, InfersExtents) {
  const Graph g = sample();
  validate(g);
  const std::vector<Extent> extents = infer_extents(g, 15);
  EXPECT_EQ(extents[1], (Extent{8, 8, 4}));
  EXPECT_EQ(extents[7], (Extent{8, 8, 12}));
  EXPECT_EQ(extents[8], (Extent{4, 4, 12}));
  EXPECT_EQ(extents[9], (Extent{2, 2, 12}));
  EXPECT_EQ(extents[10], (Extent{1, 1, 12}));
  EXPECT_EQ(extents[11], (Extent{1, 1, 5}));
  EXPECT_EQ(extents[12], (Extent{1, 1, 5}));
  for (std::size_t i = 13; i < 21; ++i) EXPECT_EQ(extents[i], (Extent{1, 1, 5})) << i;
  EXPECT_EQ(infer_channels(g), (std::vector<std::int64_t>{3, 4, 4, 4, 4, 4, 4, 12, 12, 12, 12,
                                                          5, 5, 5, 5, 5, 5, 5, 5,  5,  5,  10}));
}

TEST(Graph, TakesTheBytesOfItsLargestNodeAtLeast) {
  Graph g;
  g.add("input", Input{3}, {});
  g.add("conv", Conv2d{.filters = 5, .window = 1}, {0});
  g.add("concat", Concat{}, {1, 0, 1});
  g.add("global", GlobalAvgPool{}, {2});
  EXPECT_EQ(least_bytes(g, 2), (5 + 3 + 5 + 13) * 4 * 4);
  // Beyond the range of integers.
  EXPECT_NEAR(least_bytes(g, max_extent), 26 * 4 * 0x1p40, 1e3);
  EXPECT_THROW(least_bytes(g, max_extent + 1), ShapeError);
}

TEST(Graph, TheSampleHasEveryOp) {
  std::set<std::size_t> kinds;
  for (const Node& node : sample().nodes) kinds.insert(node.op.index());
  EXPECT_EQ(kinds.size(), std::variant_size_v<Op>);
}

TEST(Graph, OpsAreFoundByTheirNames) {
  std::set<std::string> names;
  for (const Node& node : sample().nodes) {
    const Op found = op_of_name(op_name(node.op));
    EXPECT_EQ(found.index(), node.op.index());
    EXPECT_STREQ(op_name(found), op_name(node.op));
    names.insert(op_name(found));
  }
  EXPECT_EQ(names.size(), std::variant_size_v<Op> + 4) << "pools have two, sigmoids four";
  EXPECT_THROW(op_of_name("pool"), ShapeError);
}

TEST(Graph, RefusesSidesThatDoNotFit) {
  EXPECT_THROW(infer_extents(sample(), 0), ShapeError);
  EXPECT_THROW(infer_extents(sample(), 2), ShapeError);
  Graph g = sample();
  g.node(11).inputs = {9};
  EXPECT_THROW(infer_extents(g, 15), ShapeError);
  Graph scaled;
  scaled.add("input", Input{3}, {});
  scaled.add("scale", ChannelScale{}, {0, 0});
  EXPECT_THROW(infer_extents(scaled, 2), ShapeError) << "factors of more than a pixel";
  EXPECT_EQ(infer_extents(scaled, 1)[1], (Extent{1, 1, 3}));
}

// What a linear layer weighs is of one extent: no other image has it.
TEST(Graph, FlattensImagesOfOneSideAlone) {
  const Graph g = flattened();
  EXPECT_EQ(infer_channels(g)[7], 20);
  EXPECT_EQ(infer_extents(g, 8)[7], (Extent{1, 1, 20}));
  EXPECT_EQ(infer_extents(g, 11)[7], (Extent{1, 1, 20})) << "pooling rounds down";
  try {
    infer_extents(g, 16);
    FAIL() << "4 x 4 pixels were read as 2 x 2";
  } catch (const ShapeError& e) {
    EXPECT_NE(
        std::string(e.what()).find("node 'flatten' (flatten): the layers behind it are for 2 x "
                                   "2 pixels, not 4 x 4"),
        std::string::npos)
        << e.what();
  }
}

TEST(Graph, JsonRoundTrip) {
  for (const Graph& g :
       {sample(), inverted_residuals(), excited_residuals(), flattened(),
        cifar_resnet(14, Shortcut::A, 3, 10), cifar_resnet(14, Shortcut::B, 1, 2),
        imagenet_resnet(50, 3, 1000),
        densenet({.layers_per_block = 2, .growth = 4, .bottleneck = true}, 3, 10)}) {
    const std::string text = to_json(g).dump();
    EXPECT_EQ(graph_from_json(nlohmann::json::parse(text), "a test"), g);
  }
}

TEST(Graph, ValidateNamesWhatIsWrong) {
  struct Case {
    std::string text;
    std::function<void(Graph&)> damage;
  };
  const auto attribute = [](NodeId id, Op op) {
    return [id, op](Graph& g) { g.node(id).op = op; };
  };
  const std::vector<Case> cases = {
      {"starts with its input", [](Graph& g) { g.nodes.clear(); }},
      {"starts with its input", attribute(0, Relu{})},
      {"'relu'", attribute(3, Input{3})},
      {"occurs twice", [](Graph& g) { g.node(3).name = "bn"; }},
      {"does not come before", [](Graph& g) { g.node(3).inputs = {3}; }},
      {"does not come before", [](Graph& g) { g.node(3).inputs = {-1}; }},
      {"can't take 1 inputs", [](Graph& g) { g.node(4).inputs = {2}; }},
      {"can't take 0 inputs", [](Graph& g) { g.node(7).inputs = {}; }},
      {"can't take 3 inputs",
       [](Graph& g) {
         g.node(6).inputs = {4, 4, 4};
       }},
      {"inputs of 3 and 4",
       [](Graph& g) {
         g.node(4).inputs = {0, 3};
       }},
      {"source channel 4 of 4", attribute(5, ChannelGather{{0, 1, 2, 4}, 1})},
      {"source channel -2 of 4", attribute(5, ChannelGather{{0, 1, 2, -2}, 1})},
      {"'gather'", attribute(5, ChannelGather{{}, 1})},
      {"'conv'", attribute(1, Conv2d{.filters = 0})},
      {"'conv'", attribute(1, Conv2d{.filters = std::int64_t{1} << 40})},
      {"'conv'", attribute(1, Conv2d{.filters = 4, .window = 0})},
      {"'conv'", attribute(1, Conv2d{.filters = 4, .window = 3, .stride = 0})},
      {"'conv'", attribute(1, Conv2d{.filters = 4, .window = 3, .pad = 3})},
      {"'bn'", attribute(2, BatchNorm{.relu = true, .eps = 0.0f})},
      {"'max'", attribute(8, Pool{PoolKind::max, 3, 2, 2})},
      {"'linear'", attribute(11, Linear{0})},
      {"'depthwise'", attribute(13, DepthwiseConv2d{.window = 0})},
      {"'depthwise'", attribute(13, DepthwiseConv2d{.window = 3, .stride = 0})},
      {"'depthwise'", attribute(13, DepthwiseConv2d{.window = 3, .pad = 3})},
      {"'grouped'", attribute(21, GroupedConv2d{.filters = 10, .groups = 0})},
      {"'grouped'", attribute(21, GroupedConv2d{.filters = 12, .groups = 5})},
      {"'grouped'",
       attribute(21, GroupedConv2d{.filters = 10, .groups = 5, .window = 3, .pad = 3})},
      {"5 channels can't be divided into 2 groups",
       attribute(21, GroupedConv2d{.filters = 10, .groups = 2})},
      {"'dropout'", attribute(14, Dropout{1.0f})},
      {"'dropout'", attribute(14, Dropout{-0.5f})},
      {"'flatten'", attribute(15, Flatten{0})},
      {"'flatten'", attribute(15, Flatten{1025})},
      {"'flatten'", attribute(15, Flatten{1024})},  // of 5 channels
      {"'block'", [](Graph& g) { g.blocks[0].output = 22; }},
      {"'block'", [](Graph& g) { g.blocks[0].input = 6; }},
      {"'block'", [](Graph& g) { g.blocks[0].stage = -1; }},
      {"'block'", [](Graph& g) { g.blocks[0].stage = std::int64_t{1} << 62; }},
  };
  for (const Case& c : cases) {
    Graph g = sample();
    c.damage(g);
    try {
      validate(g);
      ADD_FAILURE() << "not refused: " << c.text;
    } catch (const ShapeError& e) {
      EXPECT_NE(std::string(e.what()).find(c.text), std::string::npos) << e.what();
    }
  }
}

TEST(Graph, DamagedJsonIsAFileError) {
  using nlohmann::json;
  const std::vector<std::function<void(json&)>> damages = {
      [](json& j) { j.erase("nodes"); },
      [](json& j) { j.erase("blocks"); },
      [](json& j) { j["nodes"] = 3; },
      [](json& j) { j["nodes"][1]["op"] = "convolution"; },
      [](json& j) { j["nodes"][1].erase("filters"); },
      [](json& j) { j["nodes"][1]["filters"] = "many"; },
      [](json& j) { j["nodes"][2]["eps"] = 1e300; },  // as a float it is infinite
      [](json& j) { j["nodes"][2]["eps"] = true; },
      [](json& j) { j["nodes"][1]["filters"] = -1; },
      [](json& j) { j["nodes"][1]["filters"] = 4.5; },
      [](json& j) { j["nodes"][1]["filters"] = true; },
      [](json& j) { j["nodes"][1]["filters"] = std::uint64_t{1} << 63; },
      [](json& j) { j["nodes"][5]["source"][0] = std::int64_t{1} << 32; },
      [](json& j) { j["nodes"][5]["source"] = 2; },
      [](json& j) { j["nodes"][1]["inputs"] = {99}; },
      [](json& j) { j["blocks"][0]["skippable"] = "yes"; },
      [](json& j) { j["blocks"][0]["skippable"] = 1; },
      [](json& j) { j["blocks"][0]["stage"] = 0.5; },
      [](json& j) { j["blocks"][0]["output"] = 1000; }};
  for (std::size_t i = 0; i < damages.size(); ++i) {
    json j = to_json(sample());
    damages[i](j);
    try {
      graph_from_json(j, "net.trifold");
      ADD_FAILURE() << "damage " << i << " was not noticed";
    } catch (const FileError& e) {
      EXPECT_EQ(std::string(e.what()).find("net.trifold"), 0u) << e.what();
    }
  }
}

}  // namespace
}  // namespace trifold::nn
