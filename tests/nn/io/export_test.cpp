/// What is written for other programs, in form; tests/check_export.py has ONNX Runtime and PyTorch
/// compute it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <set>

#include "kernels/runtime/error.h"
#include "nn/arch/architectures.h"
#include "nn/io/pytorch_module.h"
#include "nn/onnx/export.h"
#include "tests/nn/excited_network.h"
#include "tests/nn/flatten_network.h"

namespace trifold::nn {
namespace {

Model small_model() {
  return {Network(make_architecture("resnet8", 3, 10)),
          {.arch = "resnet8",
           .side = 24,
           .data_side = 32,
           .normalisation = no_normalisation(3),
           .class_names = {},
           .original_channels = {}}};
}

// The parts of an ONNX file that the tests look at, read by field numbers.
struct Parsed {
  std::int64_t ir_version = 0, opset = 0;
  std::map<std::string, int> ops;
  std::set<std::string> constants, values, metadata;
  std::vector<std::string> inputs, outputs;

  explicit Parsed(const std::string& bytes) {
    protozero::pbf_reader model(bytes);
    while (model.next()) {
      if (model.tag() == 1) {
        ir_version = model.get_int64();
      } else if (model.tag() == 7) {
        read_graph(model.get_message());
      } else if (model.tag() == 8) {
        protozero::pbf_reader set = model.get_message();
        while (set.next(2)) opset = set.get_int64();
      } else if (model.tag() == 14) {
        metadata.insert(name_of(model.get_message(), 1));
      } else {
        model.skip();
      }
    }
  }

 private:
  static std::string name_of(protozero::pbf_reader message, std::uint32_t field) {
    return message.next(field) ? message.get_string() : "";
  }
  void read_graph(protozero::pbf_reader graph) {
    while (graph.next()) {
      switch (graph.tag()) {
        case 1:
          read_node(graph.get_message());
          break;
        case 5:
          constants.insert(name_of(graph.get_message(), 8));
          break;
        case 11:
          inputs.push_back(name_of(graph.get_message(), 1));
          break;
        case 12:
          outputs.push_back(name_of(graph.get_message(), 1));
          break;
        default:
          graph.skip();
      }
    }
  }
  // Every value that a node reads has been made before it.
  void read_node(protozero::pbf_reader node) {
    while (node.next()) {
      if (node.tag() == 1) {
        const std::string read = node.get_string();
        EXPECT_TRUE(values.contains(read) || read == "images" || constants.contains(read)) << read;
      } else if (node.tag() == 2) {
        EXPECT_TRUE(values.insert(node.get_string()).second);
      } else if (node.tag() == 4) {
        ++ops[node.get_string()];
      } else {
        node.skip();
      }
    }
  }
};

TEST(OnnxExport, FoldsBatchNormsOrKeepsThem) {
  const Model model = small_model();
  const Parsed folded(to_onnx(model));
  EXPECT_EQ(folded.ir_version, 8);
  EXPECT_EQ(folded.opset, 17);
  EXPECT_EQ(folded.ops.at("Conv"), 7);
  EXPECT_FALSE(folded.ops.contains("BatchNormalization"));
  EXPECT_EQ(folded.ops.at("Gemm"), 1);
  EXPECT_EQ(folded.inputs, std::vector<std::string>{"images"});
  EXPECT_EQ(folded.outputs, std::vector<std::string>{"logits"});
  EXPECT_TRUE(folded.constants.contains("layer1.0.conv1.bias"));
  for (const char* key : {"arch", "side", "macs", "classes", "mean", "std", "provenance"}) {
    EXPECT_TRUE(folded.metadata.contains(key)) << key;
  }
  const Parsed kept(to_onnx(model, {.fold = false}));
  EXPECT_EQ(kept.ops.at("BatchNormalization"), 7);
  EXPECT_FALSE(kept.constants.contains("layer1.0.conv1.bias"));
  EXPECT_TRUE(kept.constants.contains("layer1.0.bn1.running_var"));
}

TEST(OnnxExport, PutsPreprocessingInFront) {
  Model model = small_model();
  const Parsed resized(to_onnx(model, {.preprocessing = true}));
  EXPECT_EQ(resized.ops.at("MatMul"), 2);
  model.info.data_side = model.info.side;
  EXPECT_FALSE(Parsed(to_onnx(model, {.preprocessing = true})).ops.contains("MatMul"));
  model.info.data_side = 0;
  EXPECT_THROW(to_onnx(model, {.preprocessing = true}), ConfigError);
  EXPECT_NO_THROW(to_onnx(model));
}

TEST(PyTorchModule, HasALineForEachNode) {
  const Model model = small_model();
  const std::string module = to_pytorch(model);
  EXPECT_NE(module.find("put(self, \"layer1.0.conv1\", nn.Conv2d(16, 16, 3, stride=1, padding=1"),
            std::string::npos)
      << module;
  const Graph& graph = model.network.graph();
  EXPECT_GT(std::ranges::count(module.substr(module.find("def forward")), '\n'), graph.size());
  EXPECT_NE(module.find("return x" + std::to_string(graph.output()) + "\n"), std::string::npos);
}

TEST(PyTorchModule, FlattensAndDrops) {
  Model model{Network(flattened()), small_model().info};
  const std::string module = to_pytorch(model);
  EXPECT_NE(module.find("torch.flatten(x6, 1)"), std::string::npos) << module;
  EXPECT_NE(module.find("F.dropout(x9, 0.25, self.training)"), std::string::npos) << module;
  EXPECT_NE(module.find("nn.Linear(20, 12, bias=True)"), std::string::npos) << module;
}

TEST(PyTorchModule, ScalesChannels) {
  for (const bool hard : {false, true}) {
    const std::string module =
        to_pytorch({Network(excited_residuals(4, hard)), small_model().info});
    const std::vector<std::string> lines =
        hard ? std::vector<std::string>{"x3 = F.hardswish(x2)", "x14 = F.hardsigmoid(x13)"}
             : std::vector<std::string>{"x3 = F.silu(x2)", "x14 = torch.sigmoid(x13)"};
    for (const std::string& line : lines) {
      EXPECT_NE(module.find(line), std::string::npos) << line << module;
    }
    EXPECT_NE(module.find("x15 = scale(x9, x14)"), std::string::npos) << module;
  }
}

TEST(PyTorchModule, RefusesNamesThatAreCode) {
  Graph graph = make_architecture("resnet8", 3, 10);
  graph.node(1).name = "x\"), __import__(\"os\").system(\"true";
  Model model{Network(graph), small_model().info};
  EXPECT_THROW(to_pytorch(model), ConfigError);
  model = small_model();
  model.info.arch = "\"\"\"\nimport os\n\"\"\"";
  EXPECT_THROW(to_pytorch(model), ConfigError);
}

}  // namespace
}  // namespace trifold::nn
