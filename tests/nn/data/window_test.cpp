/// Where the windows of random resized crops lie.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>
#include <tuple>

#include "engine/random.h"
#include "nn/data/augment.h"

namespace trifold::nn {
namespace {

/// torchvision's rule, line by line, on uniform numbers of the window's own sequence.
Window reference(std::uint64_t seed, std::uint32_t epoch, std::uint32_t index, double height,
                 double width) {
  engine::Random random(seed, engine::random_streams::window, epoch, index);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = height * width * (0.08 + 0.92 * random.uniform());
    const double low = std::log(0.75), high = std::log(4.0 / 3.0);
    const double aspect = std::exp(low + (high - low) * random.uniform());
    const double w = std::rint(std::sqrt(target * aspect)),
                 h = std::rint(std::sqrt(target / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const auto top = random.uniform_int(static_cast<std::int64_t>(height - h) + 1);
      const auto left = random.uniform_int(static_cast<std::int64_t>(width - w) + 1);
      return {static_cast<double>(top), static_cast<double>(left), h, w};
    }
  }
  double w = width, h = height;
  if (width / height < 0.75) {
    h = std::rint(width / 0.75);
  } else if (width / height > 4.0 / 3.0) {
    w = std::rint(height * (4.0 / 3.0));
  }
  return {std::floor((height - h) / 2), std::floor((width - w) / 2), h, w};
}

TEST(Window, IsTorchvisions) {
  for (const auto& [height, width] :
       {std::pair(375, 500), {500, 375}, {224, 224}, {1, 1}, {2, 3}, {7, 300}, {300, 7}, {1, 50}}) {
    for (std::uint32_t index = 0; index < 300; ++index) {
      const Window found = draw_window(5, index % 7, index, height, width);
      const Window expected = reference(5, index % 7, index, height, width);
      ASSERT_EQ(found.top, expected.top) << height << " x " << width;
      ASSERT_EQ(found.left, expected.left) << height << " x " << width;
      ASSERT_EQ(found.height, expected.height) << height << " x " << width;
      ASSERT_EQ(found.width, expected.width) << height << " x " << width;
    }
  }
}

TEST(Window, LiesInsideAndHasTheAreaAndShapeThatItMay) {
  constexpr double height = 480, width = 640;
  double least = 1, most = 0, log_sum = 0, squares = 0;
  std::set<std::pair<double, double>> corners;
  constexpr int draws = 4000;
  for (int index = 0; index < draws; ++index) {
    const Window w = draw_window(1, 0, index, 480, 640);
    ASSERT_GE(w.top, 0);
    ASSERT_GE(w.left, 0);
    ASSERT_LE(w.top + w.height, height);
    ASSERT_LE(w.left + w.width, width);
    const double area = w.height * w.width / (height * width);
    const double log_ratio = std::log(w.width / w.height);
    least = std::min(least, area);
    most = std::max(most, area);
    ASSERT_LE(std::abs(log_ratio), std::log(4.0 / 3.0) + 0.01);  // of whole pixels
    log_sum += log_ratio;
    squares += log_ratio * log_ratio;
    corners.insert({w.top, w.left});
  }
  EXPECT_GE(least, 0.0795);
  EXPECT_LT(least, 0.085);
  EXPECT_GT(most, 0.97);
  EXPECT_LE(most, 1);
  // Uniform in its logarithm, but for the large ones, which fit best at the image's own ratio.
  EXPECT_NEAR(log_sum / draws, 0.05, 0.05);
  EXPECT_NEAR(std::sqrt(squares / draws), std::log(4.0 / 3.0) / std::numbers::sqrt3, 0.02);
  EXPECT_GT(corners.size(), 3000U);
}

TEST(Window, IsAFunctionOfSeedEpochAndImage) {
  std::set<std::tuple<double, double, double, double>> seen;
  const auto draw = [](std::uint64_t seed, std::int64_t epoch, std::int64_t index) {
    const Window w = draw_window(seed, epoch, index, 3000, 4000);
    return std::tuple(w.top, w.left, w.height, w.width);
  };
  for (const std::uint64_t seed : {1, 2}) {
    for (const std::int64_t epoch : {0, 1, 2}) {
      for (std::int64_t index = 0; index < 10; ++index) {
        seen.insert(draw(seed, epoch, index));
        EXPECT_EQ(draw(seed, epoch, index), draw(seed, epoch, index));
      }
    }
  }
  EXPECT_EQ(seen.size(), 60U);
}

}  // namespace
}  // namespace trifold::nn
