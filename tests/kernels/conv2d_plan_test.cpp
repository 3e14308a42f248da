/// How the CUDA convolutions cut their work; the rules are plain arithmetic and run everywhere.
#include "kernels/cuda/conv2d/plan.h"

#include <gtest/gtest.h>

#include <limits>

#include "kernels/runtime/error.h"

namespace trifold::kernels::cuda {
namespace {

TEST(Conv2dTileRule, FollowsTheFilters) {
  constexpr std::int64_t many = 128 * 32 * 32;  // pixels of a batch: any tile fills a device
  EXPECT_EQ(choose_conv2d_tile(many, 11), Conv2dTile::r128c16);
  EXPECT_EQ(choose_conv2d_tile(many, 16), Conv2dTile::r128c16);
  EXPECT_EQ(choose_conv2d_tile(many, 23), Conv2dTile::r128c32);
  EXPECT_EQ(choose_conv2d_tile(many, 32), Conv2dTile::r128c32);
  EXPECT_EQ(choose_conv2d_tile(many, 45), Conv2dTile::r128c64);
  EXPECT_EQ(choose_conv2d_tile(many, 64), Conv2dTile::r128c64);
  EXPECT_EQ(choose_conv2d_tile(many, 84), Conv2dTile::r128c32) << "3 x 32 pads less than 2 x 64";
  EXPECT_EQ(choose_conv2d_tile(many, 256), Conv2dTile::r128c64);
}

TEST(Conv2dTileRule, CutsSmallProblemsFiner) {
  EXPECT_EQ(choose_conv2d_tile(128 * 8 * 8, 64), Conv2dTile::r64c32);
  EXPECT_EQ(choose_conv2d_tile(1, 1), Conv2dTile::r64c32);
}

TEST(Conv2dTileRule, PadsLittleWhereTheDepthIsSplit) {
  EXPECT_EQ(choose_conv2d_split_tile(144, 16), Conv2dTile::r128c16);
  EXPECT_EQ(choose_conv2d_split_tile(288, 32), Conv2dTile::r64c32);
  EXPECT_EQ(choose_conv2d_split_tile(576, 64), Conv2dTile::r128c64);
}

TEST(Conv2dTileRule, ObeysForce) {
  for (const Conv2dTile tile : all_conv2d_tiles) {
    force_conv2d_tile(tile);
    EXPECT_EQ(choose_conv2d_tile(1 << 20, 64), tile);
    EXPECT_EQ(choose_conv2d_split_tile(1 << 20, 64), tile);
  }
  release_conv2d_tile();
  EXPECT_EQ(choose_conv2d_tile(1 << 20, 64), Conv2dTile::r128c64);
}

TEST(Conv2dSplitRule, CoversEveryPixelOnce) {
  for (const Conv2dTile tile : all_conv2d_tiles)
    for (const std::int64_t rows : {1, 27, 144, 576, 4608})
      for (const std::int64_t columns : {1, 11, 64, 2048})
        for (const std::int64_t pixels : {1, 16, 17, 255, 2048, 131072}) {
          const Conv2dSplit split = split_conv2d_weight(rows, columns, pixels, tile);
          const std::int64_t steps = (pixels + conv2d_step - 1) / conv2d_step;
          ASSERT_GE(split.parts, 1);
          ASSERT_GE(split.parts * split.steps_per_part, steps);
          ASSERT_LT((split.parts - 1) * split.steps_per_part, steps) << "no part is empty";
          if (split.parts > 2) {
            ASSERT_LE(split.parts * rows * columns, std::int64_t{1} << 24);
          }
        }
}

TEST(Conv2dSplitRule, FillsADeviceWithTheSmallWeightsOfCifarNetworks) {
  const Conv2dSplit split = split_conv2d_weight(144, 16, 128 * 32 * 32, Conv2dTile::r128c16);
  EXPECT_EQ(split.parts, 113) << "1152 pixels each or a step more, and 226 blocks";
  EXPECT_EQ(split_conv2d_weight(144, 16, 512 * 32 * 32, Conv2dTile::r128c16).parts, 132)
      << "2 tiles each, so two blocks for each of 132 multiprocessors";
  EXPECT_EQ(split_conv2d_weight(576, 64, 128 * 8 * 8, Conv2dTile::r128c64).parts, 27)
      << "5 tiles each, so one block for each";
  EXPECT_EQ(split_conv2d_weight(144, 16, 100, Conv2dTile::r128c16).parts, 1) << "too short to cut";
}

TEST(Conv2dExtents, MustFitTheDevice) {
  Conv2dShape s{.n = 2, .h = 9, .w = 8, .c = 3, .k = 4, .r = 3, .s = 5, .stride_h = 2, .pad_w = 1};
  const Conv2dExtents e = checked_extents(s);
  EXPECT_EQ(e.n, 2);
  EXPECT_EQ(e.h, 9);
  EXPECT_EQ(e.w, 8);
  EXPECT_EQ(e.c, 3);
  EXPECT_EQ(e.k, 4);
  EXPECT_EQ(e.r, 3);
  EXPECT_EQ(e.s, 5);
  EXPECT_EQ(e.stride_h, 2);
  EXPECT_EQ(e.stride_w, 1);
  EXPECT_EQ(e.pad_h, 0);
  EXPECT_EQ(e.pad_w, 1);
  EXPECT_EQ(e.p, 4);
  EXPECT_EQ(e.q, 6);
  s.n = std::int64_t{1} << 29;
  EXPECT_THROW(checked_extents(s), ShapeError);
  s.n = 0;
  EXPECT_THROW(checked_extents(s), ShapeError);
  EXPECT_EQ(grid_extent(7), 7u);
  EXPECT_THROW(grid_extent(std::int64_t{1} << 31), ShapeError);
}

}  // namespace
}  // namespace trifold::kernels::cuda
