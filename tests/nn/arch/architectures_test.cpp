#include "nn/arch/architectures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kernels/runtime/error.h"
#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"

namespace trifold::nn {
namespace {

TEST(Architectures, HaveTheUsualSizes) {
  const Graph resnet = make_architecture("resnet56", 3, 10);
  EXPECT_EQ(resnet.blocks.size(), 27u);
  EXPECT_EQ(std::ranges::count(resnet.blocks, false, &Block::skippable), 2);
  EXPECT_EQ(make_architecture("resnet50", 3, 1000).blocks.size(), 16u);
  EXPECT_EQ(make_architecture("densenet40", 3, 10).blocks.size(), 36u);
  EXPECT_EQ(make_architecture("resnet20b", 3, 10), cifar_resnet(20, Shortcut::B, 3, 10));
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
  EXPECT_EQ(names.size(), 12u);
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
       {"", "vgg16", "resnet", "resnet19", "resnet2", "resnet20c", "resnet18b", "resnet-20"}) {
    EXPECT_THROW(make_architecture(name, 3, 10), ConfigError) << name;
  }
  try {
    usual_side("vgg16");
    FAIL() << "nobody knows vgg16";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("'vgg16'; there are resnet8, resnet14"), std::string::npos)
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
