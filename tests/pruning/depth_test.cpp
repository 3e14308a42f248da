#include "pruning/depth.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"

namespace trifold::pruning {
namespace {

TEST(Depth, RemovesTheLeastImportant) {
  const nn::Graph g = nn::cifar_resnet(20, nn::Shortcut::A, 3, 10);
  const std::vector<double> importance = {5, 1, 9, 0, 4, 3, 0, 2, 8};
  EXPECT_EQ(select_blocks(g, importance, 7),
            (std::vector<bool>{true, false, true, true, true, true, true, false, true}));
  EXPECT_EQ(select_blocks(g, importance, 9), std::vector<bool>(9, true));
}

TEST(Depth, AlwaysLeavesOneBlockAStage) {
  const nn::Graph g = nn::cifar_resnet(20, nn::Shortcut::A, 3, 10);
  EXPECT_EQ(min_depth(g), 3);
  // All of stage 1 can be skipped; the most important block stays.
  EXPECT_EQ(select_blocks(g, std::vector<double>{-3, -1, -2, 0, 1, 2, 3, 4, 5}, 3),
            (std::vector<bool>{false, true, false, true, false, false, true, false, false}));
  EXPECT_EQ(min_depth(nn::imagenet_resnet(50, 3, 10)), 4);
  EXPECT_EQ(min_depth(nn::densenet({.layers_per_block = 4, .growth = 4}, 3, 10)), 3);
}

TEST(Depth, OfEqualsTheLaterGoesFirst) {
  const nn::Graph g = nn::cifar_resnet(14, nn::Shortcut::A, 3, 10);
  EXPECT_EQ(select_blocks(g, std::vector<double>(6, 0.0), 4),
            (std::vector<bool>{true, true, true, false, true, false}));
}

TEST(Depth, SmallerCountsKeepSubsets) {
  const nn::Graph g = nn::cifar_resnet(56, nn::Shortcut::A, 3, 10);
  std::vector<double> importance;
  engine::Random random(1);
  for (std::size_t i = 0; i < g.blocks.size(); ++i) importance.push_back(random.uniform());
  std::vector<bool> last(27, true);
  for (std::int64_t count = 27; count >= 3; --count) {
    const std::vector<bool> keep = select_blocks(g, importance, count);
    EXPECT_DOUBLE_EQ(kept_depth(keep), static_cast<double>(count) / 27.0);
    for (std::size_t i = 0; i < keep.size(); ++i) EXPECT_LE(keep[i], last[i]);
    last = keep;
  }
}

TEST(Depth, RefusesWhatMakesNoSense) {
  const nn::Graph g = nn::cifar_resnet(14, nn::Shortcut::A, 3, 10);
  std::vector<double> importance(6, 1.0);
  EXPECT_THROW(select_blocks(g, std::vector<double>(5), 4), ShapeError);
  EXPECT_THROW(select_blocks(g, importance, 2), TargetError);
  EXPECT_THROW(select_blocks(g, importance, 7), TargetError);
  importance[0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(select_blocks(g, importance, 4), ShapeError);
  EXPECT_EQ(kept_depth({}), 1.0);
}

}  // namespace
}  // namespace trifold::pruning
