#include "nn/train/reestimate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

// The batch norm reads the pixels themselves.
Network pixels_to_norm() {
  Graph g;
  NodeId x = g.add("input", Input{1}, {});
  x = g.add("conv", Conv2d{.filters = 1, .window = 1}, {x});
  x = g.add("bn", BatchNorm{}, {x});
  x = g.add("pool", GlobalAvgPool{}, {x});
  g.add("fc", Linear{2}, {x});
  Network network(g);
  network.parameter("conv.weight").var.value.values()[0] = 1.0f;
  network.parameter("bn.running_mean").var.value.values()[0] = 7.0f;
  network.parameter("bn.running_var").var.value.values()[0] = 9.0f;
  return network;
}

// Four images of 2 x 2 pixels: 0, 0.2, 0.4 and 1.
Dataset greys() {
  Dataset d;
  d.name = "greys";
  d.count = 4;
  d.height = d.width = 2;
  d.channels = 1;
  d.classes = 2;
  d.labels = {0, 1, 0, 1};
  for (const std::uint8_t grey : {0, 51, 102, 255}) d.pixels.insert(d.pixels.end(), 4, grey);
  return d;
}

const Normalisation none{{0.0f}, {1.0f}};

float running(const Network& network, const std::string& what) {
  return network.parameter("bn.running_" + what).var.value.values()[0];
}

TEST(Reestimate, TakesTheStatisticsOfTheImagesAlone) {
  Network network = pixels_to_norm();
  reestimate_batch_norm(network, greys(), none, 2, {}, 1);
  EXPECT_NEAR(running(network, "mean"), 0.4, 1e-6);
  // 0.3 - 0.4^2 over 16 pixels, unbiased.
  EXPECT_NEAR(running(network, "var"), 0.14 * 16 / 15, 1e-6);
  EXPECT_EQ(network.parameter("conv.weight").var.value.values()[0], 1.0f);
}

TEST(Reestimate, AveragesOverItsBatches) {
  Network both = pixels_to_norm(), one = pixels_to_norm();
  reestimate_batch_norm(both, greys(), none, 2, {}, 1, 2, 2);
  EXPECT_NEAR(running(both, "mean"), 0.4, 1e-6);
  reestimate_batch_norm(one, greys(), none, 2, {}, 1, 1, 2);
  EXPECT_GT(std::abs(running(one, "mean") - 0.4), 0.05) << "no two images have the mean of all";
}

TEST(Reestimate, RefusesOtherChannels) {
  Network network = pixels_to_norm();
  Dataset colour = greys();
  colour.channels = 3;
  EXPECT_THROW(reestimate_batch_norm(network, colour, none, 2, {}, 1), ConfigError);
}

}  // namespace
}  // namespace trifold::nn
