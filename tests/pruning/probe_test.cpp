#include "pruning/probe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/arch/resnet.h"

namespace trifold::pruning {
namespace {

constexpr std::int64_t side = 8;

// Images of two classes, one dark and one bright, with noise.
nn::Dataset dark_and_bright(std::int64_t count, std::uint64_t seed) {
  nn::Dataset d;
  d.name = "brightness";
  d.count = count;
  d.height = d.width = side;
  d.channels = 3;
  d.classes = 2;
  engine::Random random(seed);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(i % 2);
    d.labels.push_back(label);
    for (std::int64_t p = 0; p < d.image_bytes(); ++p) {
      d.pixels.push_back(static_cast<std::uint8_t>(60 + 100 * label + random.uniform_int(40)));
    }
  }
  return d;
}

struct Probe : testing::Test {
  nn::Network network{nn::cifar_resnet(8, nn::Shortcut::A, 3, 2)};
  const nn::Dataset train = dark_and_bright(60, 1), held_out = dark_and_bright(20, 2);
  const nn::Normalisation normalisation{{0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f}};
  ProbeOptions options{.epochs = 4, .batch = 10};

  Probe() { nn::initialise(network, 3); }

  // The last batch norm of a block becomes y = max(0, x + beta).
  void replace_block(const std::string& name, float beta) {
    for (float& v : network.parameter(name + ".bn2.weight").var.value.values()) v = 0.0f;
    for (float& v : network.parameter(name + ".bn2.bias").var.value.values()) v = beta;
  }
  ProbeResult probe(const nn::Dataset& judge, const kernels::Exec& ex = {}) const {
    return probe_blocks(network, train, judge, normalisation, side, ex, options);
  }
};

TEST_F(Probe, JudgesWhatALinearClassifierMakesOfEachBlock) {
  replace_block("layer1.0", 0.0f);      // passes its input on
  replace_block("layer3.0", -1000.0f);  // yields zeros, which tell nothing
  const ProbeResult result = probe(held_out);
  ASSERT_EQ(result.accuracy.size(), 3u);
  EXPECT_EQ(result.stem, 100.0);
  EXPECT_EQ(result.accuracy[0], result.stem);
  EXPECT_EQ(result.accuracy[1], 100.0);
  EXPECT_EQ(result.accuracy[2], 50.0);
  EXPECT_EQ(result.importance, (std::vector<double>{0.0, 0.0, -50.0}));
}

TEST_F(Probe, LearnsFromOneSetAndJudgesByTheOther) {
  nn::Dataset swapped = held_out;
  for (std::int32_t& label : swapped.labels) label = 1 - label;
  EXPECT_EQ(probe(held_out).stem, 100.0);
  EXPECT_EQ(probe(swapped).stem, 0.0);
}

TEST_F(Probe, LearnsFromNoMoreImagesThanItMay) {
  options.images = 1;  // of one class, which all others are then taken for
  EXPECT_EQ(probe(held_out).stem, 50.0);
}

TEST_F(Probe, DoesNotDependOnTheNumberOfThreads) {
  kernels::ThreadPool pool(3);
  options.epochs = 1;
  const ProbeResult one = probe(held_out), three = probe(held_out, {.pool = &pool});
  EXPECT_EQ(one.stem, three.stem);
  EXPECT_EQ(one.accuracy, three.accuracy);
}

TEST_F(Probe, LeavesTheNetworkAsItIs) {
  const nn::Network before = network.clone();
  probe(held_out);
  for (const nn::Parameter& p : before.parameters()) {
    const auto was = p.var.value.values(), is = network.parameter(p.name).var.value.values();
    EXPECT_TRUE(std::equal(was.begin(), was.end(), is.begin(), is.end())) << p.name;
  }
}

TEST_F(Probe, RefusesNetworksWithoutBlocksAndImagesThatDontFit) {
  nn::Graph plain = network.graph();
  plain.blocks.clear();
  const nn::Network blockless(plain);
  EXPECT_THROW(probe_blocks(blockless, train, held_out, normalisation, side, {}, options),
               ConfigError);
  nn::Dataset grey = train;
  grey.channels = 1;
  EXPECT_THROW(probe_blocks(network, grey, held_out, normalisation, side, {}, options),
               ConfigError);
}

}  // namespace
}  // namespace trifold::pruning
