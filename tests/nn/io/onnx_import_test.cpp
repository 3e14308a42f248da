/// ONNX files that are no networks of ours; those that are, tests/pruning/onnx_test.cpp has.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/arch/architectures.h"
#include "nn/io/model_file.h"
#include "nn/onnx/export.h"
#include "nn/onnx/onnx_model.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

struct OnnxImport : ::testing::Test {
  fs::path path =
      fs::temp_directory_path() / ("trifold_import_" + std::to_string(::getpid()) + ".onnx");
  ~OnnxImport() override { fs::remove(path); }

  Model back(const std::string& bytes, const ModelHints& hints = {}) const {
    engine::write_file_atomically(path, bytes);
    return load_model(path, hints);
  }
};

Model initialised(const std::string& arch) {
  Model model{Network(make_architecture(arch, 3, 4)),
              {.arch = arch,
               .side = 32,
               .data_side = 32,
               .normalisation = no_normalisation(3),
               .class_names = {},
               .original_channels = {}}};
  initialise(model.network, 1);
  return model;
}

// What a file of these nodes is refused with.
std::string refusal(const OnnxImport& test, const OnnxModel& onnx) {
  ModelHints hints;
  hints.normalisation = no_normalisation(3);
  try {
    test.back(onnx.bytes("graph"), hints);
  } catch (const Error& e) {
    EXPECT_NE(dynamic_cast<const FileError*>(&e), nullptr) << e.what();
    return e.what();
  }
  return "";
}

TEST_F(OnnxImport, ListsAllThatIsNotUnderstood) {
  OnnxModel onnx;
  onnx.add_input("x", OnnxType::float32, {-1, 3, 8, 8});
  onnx.add_node("Tanh", "first", {"x"});
  onnx.add_floats("w", {4, 1, 3, 3}, std::vector<float>(36));
  onnx.add_node("Conv", "second", {"x", "w"}, {{"group", std::int64_t{3}}});
  onnx.add_node("Relu", "third", {"first"});
  onnx.add_output("third", OnnxType::float32, {-1, 3, 8, 8});
  const std::string text = refusal(*this, onnx);
  EXPECT_NE(text.find(path.string()), std::string::npos) << text;
  EXPECT_NE(text.find("1 Tanh (unknown op; the first is 'first')"), std::string::npos) << text;
  EXPECT_EQ(text.find("third"), std::string::npos) << text;
  EXPECT_NE(text.find("1 Conv (groups that don't divide its channels and filters; the first "
                      "is 'second')"),
            std::string::npos)
      << text;
}

TEST_F(OnnxImport, RefusesGroupsThatDoNotFit) {
  struct Case {
    engine::Shape weight;
    std::int64_t group;
    const char* told;
  };
  for (const Case& c : {Case{{4, 1, 3, 3}, 3, "groups that"},   // of 4 filters
                        Case{{6, 2, 3, 3}, 2, "groups that"},   // of 3 channels
                        Case{{3, 1, 3, 3}, 0, "groups that"},   // none
                        Case{{3, 1, 3, 3}, -3, "groups that"},  // fewer
                        Case{{6, 2, 3, 3}, 3, "'w.weight' has the shape"},
                        Case{{3, 2, 3, 3}, 3, "'w.weight' has the shape"}}) {
    OnnxModel onnx;
    onnx.add_input("x", OnnxType::float32, {-1, 3, 8, 8});
    onnx.add_floats("w.weight", c.weight,
                    std::vector<float>(static_cast<std::size_t>(c.weight.size())));
    onnx.add_node("Conv", "y", {"x", "w.weight"}, {{"group", c.group}});
    onnx.add_node("GlobalAveragePool", "z", {"y"});
    onnx.add_output("z", OnnxType::float32, {-1, 3});
    const std::string text = refusal(*this, onnx);
    EXPECT_NE(text.find(c.told), std::string::npos) << text;
  }
}

// Small files that ask for much: each is refused or read within a moment and little memory.
TEST_F(OnnxImport, TakesNoMoreThanItsFileIsWorth) {
  constexpr std::int64_t wide = 1 << 20;
  const auto with_input = [](std::int64_t channels) {
    OnnxModel onnx;
    onnx.add_input("x", OnnxType::float32, {-1, channels, 8, 8});
    return onnx;
  };
  const auto finished = [](OnnxModel& onnx, const std::string& last) {
    onnx.add_node("GlobalAveragePool", "y", {last});
    onnx.add_output("y", OnnxType::float32, {-1, 3});
  };
  OnnxModel slices = with_input(wide), pads = with_input(1), sharing = with_input(3),
            many = with_input(3), nested = with_input(3);
  // Each of some bytes selects all channels anew.
  const std::vector<OnnxAttribute> all = {{"starts", std::vector<std::int64_t>{0}},
                                          {"ends", std::vector<std::int64_t>{wide}},
                                          {"axes", std::vector<std::int64_t>{1}}};
  for (int i = 0; i < 1000; ++i) slices.add_node("Slice", std::to_string(i), {"x"}, all);
  finished(slices, "999");
  EXPECT_NE(refusal(*this, slices).find("more channels are selected"), std::string::npos);
  // Each puts channels around those of the one in front of it.
  const std::string around = pads.add_integers("p", {0, wide, 0, 0, 0, wide, 0, 0});
  for (int i = 0; i < 1000; ++i) {
    pads.add_node("Pad", std::to_string(i), {i == 0 ? "x" : std::to_string(i - 1), around});
  }
  finished(pads, "999");
  EXPECT_NE(refusal(*this, pads).find("Pad"), std::string::npos);
  // All have one large weight.
  sharing.add_floats("w", {1 << 18, 3, 1, 1}, std::vector<float>(3 << 18));
  for (int i = 0; i < 1000; ++i) sharing.add_node("Conv", std::to_string(i), {"x", "w"});
  finished(sharing, "999");
  EXPECT_NE(refusal(*this, sharing).find("it shares large parameters"), std::string::npos);
  for (int i = 0; i < 10001; ++i) many.add_node("Relu", std::to_string(i), {"x"});
  finished(many, "0");
  EXPECT_NE(refusal(*this, many).find("nodes, which no network has"), std::string::npos);
  // Blocks of which each holds all in front of it.
  nested.add_node("Relu", "r", {"x"});
  for (int i = 0; i < 9000; ++i) {
    nested.add_node("Add", std::to_string(i), {"r", i == 0 ? "r" : std::to_string(i - 1)});
  }
  finished(nested, "8999");
  EXPECT_EQ(refusal(*this, nested), "");
}

// Names of signs alone, which all become the same one: what tells them apart stays short.
TEST_F(OnnxImport, TellsManyNodesOfOneNameApart) {
  OnnxModel onnx;
  onnx.add_input("x", OnnxType::float32, {-1, 3, 8, 8});
  std::string last = "x";
  for (int i = 0; i < 1024; ++i) {
    std::string name;
    for (int bit = 0; bit < 10; ++bit) name += (i >> bit) % 2 == 0 ? '$' : '%';
    last = onnx.add_node("Relu", name, {last});
  }
  onnx.add_node("GlobalAveragePool", "y", {last});
  onnx.add_output("y", OnnxType::float32, {-1, 3});
  const Model model =
      back(onnx.bytes("graph"), {.arch = {}, .normalisation = no_normalisation(3), .side = {}});
  ASSERT_EQ(model.network.graph().size(), 1026);
  for (const Node& node : model.network.graph().nodes) EXPECT_LE(node.name.size(), 15u);
}

TEST_F(OnnxImport, RefusesAttributesThatNothingCanHave) {
  OnnxModel onnx;
  onnx.add_input("x", OnnxType::float32, {-1, 3, 8, 8});
  onnx.add_node("Concat", "nothing", {}, {{"axis", std::int64_t{1}}});
  std::string last = "x";
  for (const std::string name : {"a", "b"}) {  // a stride of 2^62 behind another one
    last =
        onnx.add_node("Slice", name,
                      {last, onnx.add_integers("from", {0, 0}),
                       onnx.add_integers("to", {std::int64_t{1} << 40, std::int64_t{1} << 40}),
                       onnx.add_integers("axes", {2, 3}),
                       onnx.add_integers("steps", {std::int64_t{1} << 62, std::int64_t{1} << 62})});
  }
  onnx.add_output(last, OnnxType::float32, {-1, 3, 8, 8});
  const std::string text = refusal(*this, onnx);
  EXPECT_NE(text.find("1 Concat (an input is missing; the first is 'nothing')"), std::string::npos)
      << text;
  EXPECT_NE(text.find("1 Slice (a part of the image; the first is 'a')"), std::string::npos)
      << text;
}

// A linear layer behind images of 2 x 2 pixels, which its file has in the order of channels, and a
// dropout of each version.
TEST_F(OnnxImport, ReadsImagesAsRows) {
  for (const char* op : {"Flatten", "Reshape"}) {
    OnnxModel onnx;
    onnx.add_input("x", OnnxType::float32, {-1, 3, 4, 4});
    onnx.add_node("MaxPool", "pool", {"x"},
                  {{"kernel_shape", std::vector<std::int64_t>{2, 2}},
                   {"strides", std::vector<std::int64_t>{2, 2}}});
    onnx.add_node("AveragePool", "adapted", {"pool"},
                  {{"kernel_shape", std::vector<std::int64_t>{1, 1}}});
    std::vector<std::string> inputs = {"adapted"};
    if (std::string(op) == "Reshape") inputs.push_back(onnx.add_integers("to", {-1, 12}));
    onnx.add_node(op, "rows", inputs);
    onnx.add_node("Dropout", "old", {"rows"}, {{"ratio", 0.125f}});
    const std::vector<float> rate = {0.75f};
    onnx.add_node("Dropout", "new", {"old", onnx.add_floats("rate", {}, rate)});
    std::vector<float> weights;
    for (int i = 0; i < 24; ++i) weights.push_back(static_cast<float>(i));
    onnx.add_floats("fc.weight", {2, 12}, weights);
    onnx.add_node("Gemm", "z", {"new", "fc.weight"}, {{"transB", std::int64_t{1}}});
    onnx.add_output("z", OnnxType::float32, {-1, 2});
    const Model model =
        back(onnx.bytes("graph"), {.arch = {}, .normalisation = no_normalisation(3), .side = {}});
    const Graph& graph = model.network.graph();
    ASSERT_EQ(graph.size(), 6) << "a window of one pixel changes nothing";
    EXPECT_EQ(graph.node(2).op, Op(Flatten{2}));
    EXPECT_EQ(graph.node(3).op, Op(Dropout{0.125f}));
    EXPECT_EQ(graph.node(4).op, Op(Dropout{0.75f}));
    const engine::Tensor w = model.network.parameter("fc.weight").var.value;  // (in, out)
    EXPECT_EQ(w.values()[2 * 7 + 1], 12.0f + 7.0f);
  }
}

TEST_F(OnnxImport, RefusesOtherShapesAndRates) {
  const auto told = [&](const char* op, const std::vector<std::int64_t>& shape,
                        const std::vector<OnnxAttribute>& attributes) {
    OnnxModel onnx;
    onnx.add_input("x", OnnxType::float32, {-1, 3, 4, 4});
    std::vector<std::string> inputs = {"x"};
    if (!shape.empty()) inputs.push_back(onnx.add_integers("to", shape));
    onnx.add_node(op, "y", inputs, attributes);
    onnx.add_output("y", OnnxType::float32, {-1, 48});
    return refusal(*this, onnx);
  };
  constexpr const char* other = "to another shape than an image's row";
  EXPECT_NE(told("Reshape", {-1, 24}, {}).find(other), std::string::npos);
  EXPECT_NE(told("Reshape", {-1, 3, 16}, {}).find(other), std::string::npos);
  EXPECT_NE(told("Reshape", {}, {}).find("an input is missing"), std::string::npos);
  EXPECT_NE(told("Squeeze", {}, {}).find("an image that is not pooled"), std::string::npos);
  EXPECT_NE(told("Flatten", {}, {{"axis", std::int64_t{2}}}).find("not along the channels"),
            std::string::npos);
  for (const float rate : {-0.5f, 1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_NE(told("Dropout", {}, {{"ratio", rate}}).find("an attribute is out of range"),
              std::string::npos)
        << rate;
  }
}

// An excitation as exporters write it: convolutions of a pixel, the factors in front or behind.
TEST_F(OnnxImport, FindsSigmoidsAndFactorsOfChannels) {
  using Kind = kernels::SigmoidKind;
  for (const bool swapped : {false, true}) {
    OnnxModel onnx;
    const auto multiply = [&](const char* name, const std::string& a, const std::string& b) {
      onnx.add_node("Mul", name,
                    swapped ? std::vector<std::string>{b, a} : std::vector<std::string>{a, b});
    };
    onnx.add_input("x", OnnxType::float32, {-1, 2, 4, 4});
    onnx.add_node("Sigmoid", "s", {"x"});
    multiply("silu", "x", "s");
    onnx.add_node("HardSigmoid", "h", {"silu"}, {{"alpha", 1.0f / 6.0f}, {"beta", 0.5f}});
    multiply("swish", "silu", "h");
    onnx.add_node("HardSwish", "swished", {"swish"});
    onnx.add_node("ReduceMean", "pooled", {"swished"},
                  {{"axes", std::vector<std::int64_t>{2, 3}}, {"keepdims", std::int64_t{1}}});
    onnx.add_floats("fc.weight", {2, 2, 1, 1}, std::vector<float>{1, 2, 3, 4});
    onnx.add_floats("fc.bias", {2}, std::vector<float>{5, 6});
    onnx.add_node("Conv", "factors", {"pooled", "fc.weight", "fc.bias"});
    onnx.add_node("HardSigmoid", "gate", {"factors"}, {{"alpha", 1.0f / 6.0f}});
    onnx.add_node("Unsqueeze", "image", {"gate", onnx.add_integers("axes", {2, 3})});
    multiply("scaled", "swished", "image");
    onnx.add_node("GlobalAveragePool", "rows", {"scaled"});
    onnx.add_output("rows", OnnxType::float32, {-1, 2});
    ModelHints hints;
    hints.normalisation = no_normalisation(2);
    const Model model = back(onnx.bytes("graph"), hints);
    const Graph& graph = model.network.graph();
    ASSERT_EQ(graph.size(), 9);
    EXPECT_EQ(graph.node(1).op, Op(Sigmoid{Kind::silu}));
    EXPECT_EQ(graph.node(2).op, Op(Sigmoid{Kind::hard_swish}));
    EXPECT_EQ(graph.node(3).op, Op(Sigmoid{Kind::hard_swish}));
    EXPECT_EQ(graph.node(5).op, Op(Linear{2}));
    EXPECT_EQ(graph.node(5).name, "fc");
    EXPECT_EQ(graph.node(6).op, Op(Sigmoid{Kind::hard_sigmoid}));
    EXPECT_EQ(graph.node(7).op, Op(ChannelScale{}));
    EXPECT_EQ(graph.node(7).inputs, (std::vector<NodeId>{3, 6}));
    EXPECT_TRUE(graph.blocks.empty());
    const auto values = model.network.parameter("fc.weight").var.value.values();
    EXPECT_EQ(std::vector<float>(values.begin(), values.end()), (std::vector<float>{1, 3, 2, 4}))
        << "(inputs, outputs)";
  }
}

TEST_F(OnnxImport, RefusesOtherProductsAndSlopes) {
  const auto told = [&](const char* op, std::vector<std::string> inputs,
                        const std::vector<OnnxAttribute>& attributes = {}) {
    OnnxModel onnx;
    onnx.add_input("x", OnnxType::float32, {-1, 3, 4, 4});
    onnx.add_floats("c", {1}, std::vector<float>{2});
    onnx.add_floats("w", {3, 3, 3, 3}, std::vector<float>(81));
    onnx.add_node("Relu", "r", {"x"});
    onnx.add_node("GlobalAveragePool", "p", {"x"});
    onnx.add_node(op, "y", inputs, attributes);
    onnx.add_output("y", OnnxType::float32, {-1, 3});
    return refusal(*this, onnx);
  };
  const auto expect_told = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect_told(told("Mul", {"x", "r"}), "neither by a sigmoid of itself nor by factors of channels");
  expect_told(told("Mul", {"x", "c"}), "it reads a constant as an image");
  expect_told(told("Mul", {"x"}), "it doesn't multiply two values");
  expect_told(told("HardSigmoid", {"x"}), "another slope than 1/6");
  expect_told(told("Unsqueeze", {"x"}, {{"axes", std::vector<std::int64_t>{2, 3}}}),
              "not of rows, to images of one pixel");
  expect_told(told("Unsqueeze", {"p"}, {{"axes", std::vector<std::int64_t>{0}}}),
              "not of rows, to images of one pixel");
  expect_told(told("Conv", {"p", "w"}, {{"pads", std::vector<std::int64_t>(4, 1)}}),
              "a window or groups behind global pooling");
}

TEST_F(OnnxImport, BoundsTheDepthOfItsMetadata) {
  OnnxModel deep;
  deep.add_input("x", OnnxType::float32, {-1, 3, 8, 8});
  deep.add_node("GlobalAveragePool", "y", {"x"});
  deep.add_output("y", OnnxType::float32, {-1, 3});
  deep.add_metadata("classes", std::string(100000, '['));
  EXPECT_NE(refusal(*this, deep).find("the metadata entry 'classes'"), std::string::npos);
}

// x[:, :, ::2, ::2] and zeros for channels, as PyTorch's exporter writes a shortcut of option A, and a
// linear layer without Gemm.
TEST_F(OnnxImport, PutsTogetherWhatExportersTakeApart) {
  OnnxModel onnx;
  onnx.add_input("x", OnnxType::float32, {-1, 3, 8, 8});
  const auto slice = [&](const std::string& name, const std::string& of, std::int64_t axis) {
    onnx.add_node(
        "Slice", name,
        {of, onnx.add_integers(name + ".from", {0}),
         onnx.add_integers(name + ".to", {std::int64_t{1} << 40}),
         onnx.add_integers(name + ".axis", {axis}), onnx.add_integers(name + ".step", {2})});
  };
  slice("rows", "x", 2);
  slice("both", "rows", 3);
  onnx.add_node("Pad", "wide", {"both", onnx.add_integers("pads", {0, 1, 0, 0, 0, 2, 0, 0})});
  onnx.add_node("GlobalAveragePool", "mean", {"wide"});
  onnx.add_node("Flatten", "flat", {"mean"});
  onnx.add_floats("fc.weight", {6, 2}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  onnx.add_floats("b", {2}, std::vector<float>{0.5f, 0.25f});
  onnx.add_node("MatMul", "product", {"flat", "fc.weight"});
  onnx.add_node("Add", "logits", {"product", "b"});
  onnx.add_output("logits", OnnxType::float32, {-1, 2});
  ModelHints hints;
  hints.normalisation = no_normalisation(3);
  const Model model = back(onnx.bytes("graph"), hints);
  const Graph& graph = model.network.graph();
  ASSERT_EQ(graph.size(), 4);
  const auto& gather = std::get<ChannelGather>(graph.node(1).op);
  EXPECT_EQ(gather.source, (std::vector<std::int32_t>{-1, 0, 1, 2, -1, -1}));
  EXPECT_EQ(gather.stride, 2);
  const auto values = model.network.parameter("fc.weight").var.value.values();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
            (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(model.network.parameter("fc.bias").var.value.values()[0], 0.5f);
}

TEST_F(OnnxImport, RefusesWhatIsNoNetwork) {
  EXPECT_THROW(back("no protobuf at all, surely"), FileError);
  EXPECT_THROW(back(""), FileError);
  OnnxModel wrong;  // a weight that doesn't fit
  wrong.add_input("x", OnnxType::float32, {-1, 3, 8, 8});
  wrong.add_floats("w", {4, 5, 3, 3}, std::vector<float>(180));
  wrong.add_node("Conv", "y", {"x", "w"});
  wrong.add_node("GlobalAveragePool", "z", {"y"});
  wrong.add_output("z", OnnxType::float32, {-1, 4});
  EXPECT_NE(refusal(*this, wrong).find("w"), std::string::npos);
  OnnxModel cycle;
  cycle.add_input("x", OnnxType::float32, {-1, 3, 8, 8});
  cycle.add_node("Relu", "a", {"b"});
  cycle.add_node("Relu", "b", {"a"});
  cycle.add_output("b", OnnxType::float32, {-1, 3, 8, 8});
  EXPECT_NE(refusal(*this, cycle).find("nothing makes its input"), std::string::npos);
  // Whatever byte of a good file is another, or missing, the answer is a network or a FileError.
  const Model model = initialised("resnet8");
  const std::string good = to_onnx(model, {.fold = false});
  for (std::size_t i = 0; i < good.size(); i += 1 + i / 15) {
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
}  // namespace trifold::nn
