/// Networks that go out as ONNX and come in again.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "engine/file_io.h"
#include "nn/arch/architectures.h"
#include "nn/io/model_file.h"
#include "nn/onnx/export.h"
#include "pruning/cost.h"
#include "surgery_support.h"
#include "tests/nn/depthwise_network.h"
#include "tests/nn/flatten_network.h"
#include "tests/nn/grouped_network.h"
#include "tests/nn/relu6_network.h"

namespace trifold::pruning {
namespace {

namespace fs = std::filesystem;

struct OnnxTest : ::testing::Test {
  fs::path path =
      fs::temp_directory_path() / ("trifold_onnx_" + std::to_string(::getpid()) + ".onnx");
  ~OnnxTest() override { fs::remove(path); }

  nn::Model back(const std::string& bytes, const nn::ModelHints& hints = {}) const {
    engine::write_file_atomically(path, bytes);
    return nn::load_model(path, hints);
  }
};

nn::Model model_of(nn::Network network, std::int64_t side) {
  return {std::move(network),
          {.arch = "some",
           .side = side,
           .data_side = side,
           .normalisation = {{0.5f, 0.4f, 0.3f}, {0.2f, 0.3f, 0.4f}},
           .class_names = {"a", "b", "c", "d"},
           .original_channels = {}}};
}

std::int64_t side_of(const std::string& arch) { return arch == "resnet50" ? 64 : 32; }

TEST_F(OnnxTest, ComesBackWithTheSameBits) {
  std::uint64_t seed = 0;
  for (const std::string arch :
       {"resnet20", "resnet20b", "resnet18", "resnet50", "densenet40", "densenet-bc100", "relu6"}) {
    for (const bool is_cut : {false, true}) {
      SCOPED_TRACE(arch + (is_cut ? ", cut" : ""));
      const nn::Graph graph = arch == "relu6"
                                  ? nn::with_relu6(nn::make_architecture("resnet14", 3, 4))
                                  : nn::make_architecture(arch, 3, 4);
      nn::Network network = testing::random_network(graph, ++seed);
      if (is_cut) {
        network = std::move(
            cut(network, testing::random_plan(graph, WidthMode::stream, true, true, seed)).network);
      }
      const nn::Model model = model_of(std::move(network), side_of(arch));
      const nn::Graph& before = model.network.graph();
      const nn::Model again = back(nn::to_onnx(model, {.fold = false}));
      const nn::Graph& after = again.network.graph();
      EXPECT_EQ(testing::logits(again.network, testing::random_images(2, side_of(arch), 5)),
                testing::logits(model.network, testing::random_images(2, side_of(arch), 5)));
      EXPECT_EQ(count_cost(after, side_of(arch)).macs, count_cost(before, side_of(arch)).macs);
      EXPECT_EQ(find_units(after, WidthMode::stream).groups.size(),
                find_units(before, WidthMode::stream).groups.size());
      ASSERT_EQ(after.blocks.size(), before.blocks.size());
      for (std::size_t i = 0; i < after.blocks.size(); ++i) {
        EXPECT_EQ(after.blocks[i].name, before.blocks[i].name);
        EXPECT_EQ(after.blocks[i].stage, before.blocks[i].stage);
        EXPECT_EQ(after.blocks[i].skippable, before.blocks[i].skippable);
      }
      EXPECT_EQ(again.info.normalisation, model.info.normalisation);
      EXPECT_EQ(again.info.class_names, model.info.class_names);
      EXPECT_EQ(again.info.side, model.info.side);
    }
  }
}

// A block that neither forks nor joins, as one of stride 2, isn't found again.
TEST_F(OnnxTest, DepthwiseConvolutionsComeBackWithTheSameBits) {
  const nn::Graph small = nn::with_relu6(nn::inverted_residuals(4));
  for (const nn::Graph& graph : {small, nn::make_architecture("mobilenetv2", 3, 4)}) {
    const nn::Model model = model_of(testing::random_network(graph, 3), 32);
    const engine::Tensor images = testing::random_images(1, 32, 5);
    const nn::Model again = back(nn::to_onnx(model, {.fold = false}));
    EXPECT_EQ(testing::logits(again.network, images), testing::logits(model.network, images));
    EXPECT_EQ(count_cost(again.network.graph(), 32).macs, count_cost(graph, 32).macs);
    EXPECT_EQ(find_units(again.network.graph(), WidthMode::stream).groups.size(),
              find_units(graph, WidthMode::stream).groups.size());
    std::vector<std::string> skippable, found;
    for (const nn::Block& block : graph.blocks) {
      if (block.skippable) skippable.push_back(block.name);
    }
    for (const nn::Block& block : again.network.graph().blocks) {
      if (block.skippable) found.push_back(block.name);
    }
    EXPECT_EQ(found, skippable);
    const nn::Model folded = back(nn::to_onnx(model));
    testing::expect_close(testing::logits(folded.network, images),
                          testing::logits(model.network, images));
    EXPECT_TRUE(std::ranges::none_of(folded.network.graph().nodes, [](const nn::Node& node) {
      return std::holds_alternative<nn::BatchNorm>(node.op);
    }));
  }
}

TEST_F(OnnxTest, GroupsComeBackWithTheSameBits) {
  const nn::Graph graph = nn::grouped_bottlenecks(4);
  const nn::Model model = model_of(testing::random_network(graph, 3), 32);
  const engine::Tensor images = testing::random_images(1, 32, 5);
  const nn::Model again = back(nn::to_onnx(model, {.fold = false}));
  EXPECT_EQ(testing::logits(again.network, images), testing::logits(model.network, images));
  EXPECT_EQ(count_cost(again.network.graph(), 32).macs, count_cost(graph, 32).macs);
  EXPECT_EQ(find_units(again.network.graph(), WidthMode::stream).units.size(),
            find_units(graph, WidthMode::stream).units.size());
  const nn::Model folded = back(nn::to_onnx(model));
  testing::expect_close(testing::logits(folded.network, images),
                        testing::logits(model.network, images));
}

// Weights behind a flattened image are in PyTorch's order in the file and in memory.
TEST_F(OnnxTest, FlattenedNetworksComeBackWithTheSameBits) {
  const nn::Graph whole = nn::flattened(4, 0.375f);
  const nn::Network original = testing::random_network(whole, 4);
  Units units = find_units(whole, WidthMode::stream, true);
  CutPlan plan{{}, {WidthMode::stream, std::vector<bool>(units.units.size(), true), true}};
  for (std::size_t i = 0; i < units.units.size(); i += 4) plan.units.kept[i] = false;
  for (const bool is_cut : {false, true}) {
    const nn::Model model =
        model_of(is_cut ? std::move(cut(original, plan).network) : original.clone(), 8);
    const engine::Tensor images = testing::random_images(2, 8, 5);
    const nn::Model again = back(nn::to_onnx(model, {.fold = false}));
    EXPECT_EQ(again.network.graph().nodes, model.network.graph().nodes);
    EXPECT_EQ(testing::logits(again.network, images), testing::logits(model.network, images));
    testing::expect_close(testing::logits(back(nn::to_onnx(model)).network, images),
                          testing::logits(model.network, images));
  }
}

TEST_F(OnnxTest, FoldedNetworksComeBackWithoutBatchNorms) {
  const nn::Model model =
      model_of(testing::random_network(nn::make_architecture("resnet20", 3, 4), 3), 32);
  const nn::Model again = back(nn::to_onnx(model));
  const engine::Tensor images = testing::random_images(2, 32, 5);
  testing::expect_close(testing::logits(again.network, images),
                        testing::logits(model.network, images));
  EXPECT_EQ(again.network.graph().blocks.size(), 9u);
  // Where no batch norm scales channels, they can be judged by their weights.
  EXPECT_FALSE(find_units(again.network.graph(), WidthMode::stream, true).units.empty());
}

}  // namespace
}  // namespace trifold::pruning
