#include "nn/arch/architectures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "kernels/runtime/error.h"
#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"
#include "nn/network.h"

namespace trifold::nn {
namespace {

// How many can be trained, and the names of all.
std::pair<std::int64_t, std::set<std::string>> parameters_of(const Graph& graph) {
  std::int64_t count = 0;
  std::set<std::string> names;
  for (const ParameterSpec& spec : parameter_specs(graph)) {
    if (is_trainable(spec.role)) count += spec.shape.size();
    names.insert(spec.name);
  }
  return {count, names};
}

TEST(Architectures, HaveTheUsualSizes) {
  const Graph resnet = make_architecture("resnet56", 3, 10);
  EXPECT_EQ(resnet.blocks.size(), 27u);
  EXPECT_EQ(std::ranges::count(resnet.blocks, false, &Block::skippable), 2);
  EXPECT_EQ(make_architecture("resnet50", 3, 1000).blocks.size(), 16u);
  EXPECT_EQ(make_architecture("densenet40", 3, 10).blocks.size(), 36u);
  EXPECT_EQ(make_architecture("resnet20b", 3, 10), cifar_resnet(20, Shortcut::B, 3, 10));
}

// The usual PyTorch source has so many.
TEST(Architectures, MobileNetV2HasTheUsualParametersAndBlocks) {
  const Graph graph = make_architecture("mobilenetv2", 3, 10);
  EXPECT_EQ(graph.blocks.size(), 17u);
  EXPECT_EQ(std::ranges::count(graph.blocks, true, &Block::skippable), 10);
  EXPECT_EQ(graph.blocks.back().stage, 6);
  const auto [count, names] = parameters_of(graph);
  EXPECT_EQ(count, 2296922);
  for (const char* name : {"conv1.weight", "bn1.bias", "layers.0.shortcut.0.weight",
                           "layers.0.shortcut.1.running_var", "layers.16.conv2.weight",
                           "layers.16.bn3.weight", "conv2.weight", "bn2.weight", "linear.bias"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_EQ(infer_extents(graph, 32)[static_cast<std::size_t>(graph.blocks.back().output)],
            (Extent{4, 4, 320}));
}

// torchvision's documentation of efficientnet_b0 names the parameters.
TEST(Architectures, EfficientNetB0HasTheUsualParametersAndBlocks) {
  const Graph graph = make_architecture("efficientnet-b0", 3, 1000);
  EXPECT_EQ(graph.blocks.size(), 16u);
  EXPECT_EQ(std::ranges::count(graph.blocks, true, &Block::skippable), 9);
  EXPECT_EQ(graph.blocks.back().stage, 6);
  const auto [count, names] = parameters_of(graph);
  EXPECT_EQ(count, 5288548);
  for (const char* name :
       {"features.0.0.weight", "features.0.1.running_mean", "features.1.0.block.0.0.weight",
        "features.1.0.block.1.fc1.bias", "features.1.0.block.2.1.weight",
        "features.2.0.block.1.0.weight", "features.7.0.block.2.fc2.weight",
        "features.7.0.block.3.0.weight", "features.8.1.bias", "classifier.1.weight"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_EQ(infer_extents(graph, 224)[static_cast<std::size_t>(graph.blocks.back().output)],
            (Extent{7, 7, 320}));
}

// As torchvision's documentation of resnext50_32x4d says.
TEST(Architectures, ResNeXt50HasTheUsualParametersAndBlocks) {
  const Graph graph = make_architecture("resnext50-32x4d", 3, 1000);
  EXPECT_EQ(graph.blocks.size(), 16u);
  EXPECT_EQ(std::ranges::count(graph.blocks, true, &Block::skippable), 12);
  const auto [count, names] = parameters_of(graph);
  EXPECT_EQ(count, 25028904);
  for (const char* name : {"conv1.weight", "layer1.0.conv2.weight", "layer1.0.downsample.0.weight",
                           "layer4.2.bn3.running_var", "fc.bias"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

// The PyTorch source has so many.
TEST(Architectures, Vgg16HasTheUsualParametersAndNames) {
  const Graph graph = make_architecture("vgg16", 3, 10);
  EXPECT_TRUE(graph.blocks.empty());
  const auto [count, names] = parameters_of(graph);
  EXPECT_EQ(count, 14724042);
  for (const char* name : {"feature.0.weight", "feature.1.running_var", "feature.7.weight",
                           "feature.40.weight", "feature.41.bias", "classifier.bias"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  const std::vector<Extent> extents = infer_extents(graph, 32);
  EXPECT_EQ(extents[extents.size() - 3], (Extent{2, 2, 512}));
}

TEST(Architectures, AreFoundByEveryNameThatIsListed) {
  std::set<std::string> names;
  for (const ArchitectureFamily& family : architecture_families()) {
    for (const std::string& name : family.names) {
      EXPECT_TRUE(names.insert(name).second) << name << " stands there twice";
      validate(make_architecture(name, 3, 10));
      EXPECT_EQ(usual_side(name), family.usual_side) << name;
      EXPECT_NE(describe_architectures().find(name), std::string::npos);
    }
  }
  EXPECT_EQ(names.size(), architecture_names().size());
  EXPECT_EQ(names.size(), 16u);
}

// 50 is 6n + 2, too.
TEST(Architectures, BelongToTheFamilyThatListsTheirName) {
  EXPECT_EQ(make_architecture("resnet50", 3, 10), imagenet_resnet(50, 3, 10));
  EXPECT_EQ(usual_side("resnet50"), 224);
  EXPECT_EQ(make_architecture("resnet50b", 3, 10), cifar_resnet(50, Shortcut::B, 3, 10));
  EXPECT_EQ(usual_side("resnet50b"), 32);
  EXPECT_EQ(make_architecture("resnet26", 3, 10), cifar_resnet(26, Shortcut::A, 3, 10));
}

TEST(Architectures, RefuseWhatTheyDoNotKnow) {
  for (const char* name :
       {"", "vgg11", "resnet", "resnet19", "resnet2", "resnet20c", "resnet18b", "resnet-20"}) {
    EXPECT_THROW(make_architecture(name, 3, 10), ConfigError) << name;
  }
  try {
    usual_side("vgg11");
    FAIL() << "nobody knows vgg11";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("'vgg11'; there are resnet8, resnet14"), std::string::npos)
        << e.what();
    EXPECT_NE(std::string(e.what()).find("densenet-bc100"), std::string::npos) << e.what();
  }
  EXPECT_THROW(imagenet_resnet(101, 3, 10), ConfigError);
  EXPECT_THROW(densenet({.layers_per_block = 0, .growth = 4}, 3, 10), ConfigError);
  EXPECT_THROW(densenet({.layers_per_block = 1, .growth = 4, .compression = 1.5}, 3, 10),
               ConfigError);
}

}  // namespace
}  // namespace trifold::nn
