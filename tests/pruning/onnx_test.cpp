/// Networks that go out as ONNX and come in again.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/arch/architectures.h"
#include "nn/io/model_file.h"
#include "nn/onnx/export.h"
#include "nn/onnx/onnx_model.h"
#include "pruning/cost.h"
#include "surgery_support.h"
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

// What a file of these nodes is refused with.
std::string refusal(const OnnxTest& test, const nn::OnnxModel& onnx) {
  nn::ModelHints hints;
  hints.normalisation = nn::no_normalisation(3);
  try {
    test.back(onnx.bytes("graph"), hints);
  } catch (const Error& e) {
    EXPECT_NE(dynamic_cast<const FileError*>(&e), nullptr) << e.what();
    return e.what();
  }
  return "";
}

TEST_F(OnnxTest, ListsAllThatIsNotUnderstood) {
  nn::OnnxModel onnx;
  onnx.add_input("x", nn::OnnxType::float32, {-1, 3, 8, 8});
  onnx.add_node("Tanh", "first", {"x"});
  onnx.add_floats("w", {4, 1, 3, 3}, std::vector<float>(36));
  onnx.add_node("Conv", "second", {"x", "w"}, {{"group", std::int64_t{3}}});
  onnx.add_node("Relu", "third", {"first"});
  onnx.add_output("third", nn::OnnxType::float32, {-1, 3, 8, 8});
  const std::string text = refusal(*this, onnx);
  EXPECT_NE(text.find(path.string()), std::string::npos) << text;
  EXPECT_NE(text.find("1 Tanh (unknown op; the first is 'first')"), std::string::npos) << text;
  EXPECT_EQ(text.find("third"), std::string::npos) << text;
  EXPECT_NE(text.find("1 Conv (groups; the first is 'second')"), std::string::npos) << text;
}

TEST_F(OnnxTest, RefusesWhatIsNoNetwork) {
  EXPECT_THROW(back("no protobuf at all, surely"), FileError);
  EXPECT_THROW(back(""), FileError);
  nn::OnnxModel wrong;  // a weight that doesn't fit
  wrong.add_input("x", nn::OnnxType::float32, {-1, 3, 8, 8});
  wrong.add_floats("w", {4, 5, 3, 3}, std::vector<float>(180));
  wrong.add_node("Conv", "y", {"x", "w"});
  wrong.add_node("GlobalAveragePool", "z", {"y"});
  wrong.add_output("z", nn::OnnxType::float32, {-1, 4});
  EXPECT_NE(refusal(*this, wrong).find("w"), std::string::npos);
  nn::OnnxModel cycle;
  cycle.add_input("x", nn::OnnxType::float32, {-1, 3, 8, 8});
  cycle.add_node("Relu", "a", {"b"});
  cycle.add_node("Relu", "b", {"a"});
  cycle.add_output("b", nn::OnnxType::float32, {-1, 3, 8, 8});
  EXPECT_NE(refusal(*this, cycle).find("nothing makes its input"), std::string::npos);
  // Whatever byte of a good file is another, or missing, the answer is a network or a FileError.
  const nn::Model model =
      model_of(testing::random_network(nn::make_architecture("resnet8", 3, 4), 3), 32);
  const std::string good = nn::to_onnx(model, {.fold = false});
  for (std::size_t i = 0; i < good.size(); i += 1 + i / 40) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    for (const std::string& bytes : {bad, good.substr(0, i)}) {
      try {
        back(bytes);
      } catch (const FileError&) {
      } catch (const ConfigError&) {
      }
    }
  }
}

}  // namespace
}  // namespace trifold::pruning
