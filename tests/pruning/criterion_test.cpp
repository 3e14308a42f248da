/// Criteria against formulas written out here.
#include "pruning/criterion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "kernels/runtime/error.h"
#include "nn/data/device_loader.h"
#include "nn/execute/executor.h"
#include "nn/train/network_input.h"
#include "pruning/depth.h"
#include "pruning/probe.h"
#include "surgery_support.h"

namespace trifold::pruning {
namespace {

using testing::random_network;

// Images of noise, 8 x 8, a few of each of ten classes.
nn::Dataset images(std::int64_t count) {
  nn::Dataset data;
  data.name = "noise";
  data.count = count;
  data.height = data.width = 8;
  data.channels = 3;
  data.classes = 10;
  engine::Random random(5);
  for (std::int64_t i = 0; i < count; ++i) {
    data.labels.push_back(static_cast<std::int32_t>(i % 10));
    for (int pixel = 0; pixel < 8 * 8 * 3; ++pixel) {
      data.pixels.push_back(static_cast<std::uint8_t>(random.uniform_int(200) + i % 10 * 5));
    }
  }
  for (int c = 0; c < 10; ++c) data.class_names.push_back(std::to_string(c));
  return data;
}

const nn::Dataset data = images(40);
const nn::Normalisation normalisation{{0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f}};

Evidence evidence(std::uint64_t seed = 0) {
  return {data, data, normalisation, 8, testing::cpu, seed, 1000};
}

std::vector<double> scores(const std::string& name, const nn::Network& network, const Units& units,
                           std::uint64_t seed = 0) {
  return channel_criterion(name)->scores(network, units, evidence(seed));
}

// A weight of a convolution, (r, s, c, k).
std::vector<double> filter(const nn::Network& network, const std::string& name, std::int64_t k) {
  const engine::Tensor& w = network.parameter(name + ".weight").var.value;
  const std::int64_t r = w.shape()[0], s = w.shape()[1], c = w.shape()[2], filters = w.shape()[3];
  std::vector<double> values;
  for (std::int64_t i = 0; i < r * s * c; ++i) {
    values.push_back(w.values()[static_cast<std::size_t>(i * filters + k)]);
  }
  return values;
}

double l1(const std::vector<double>& v) {
  return std::accumulate(v.begin(), v.end(), 0.0,
                         [](double sum, double x) { return sum + std::abs(x); });
}
double l2(const std::vector<double>& v) {
  return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
}

// What the criterion has to say of a ResNet-8's first stream (two convolutions make it) and of the
// channels inside its first block (one does), if `measure` scores channel k of one layer.
void expect_means(const std::vector<double>& found, const Units& units,
                  const std::function<double(const std::string&, std::int64_t)>& measure) {
  const std::vector<std::vector<std::string>> layers = {{"conv1", "layer1.0.conv2"},
                                                        {"layer1.0.conv1"}};
  for (std::size_t group = 0; group < 2; ++group) {
    std::vector<double> expected;
    for (std::int64_t k = 0; k < 16; ++k) {
      double sum = 0;
      for (const std::string& layer : layers[group]) sum += measure(layer, k);
      expected.push_back(sum / static_cast<double>(layers[group].size()));
    }
    const double mean = std::accumulate(expected.begin(), expected.end(), 0.0) / 16;
    for (std::size_t k = 0; k < 16; ++k) {
      ASSERT_EQ(units.units[16 * group + k].group, static_cast<std::int64_t>(group));
      EXPECT_NEAR(found[16 * group + k], expected[k] / mean, 1e-6) << group << " " << k;
    }
  }
}

TEST(ChannelCriteria, NormsOfFilters) {
  const nn::Network network = random_network(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10), 1);
  const Units units = find_units(network.graph(), WidthMode::stream);
  ASSERT_EQ(units.groups[0], "conv1 stream");
  expect_means(scores("l1", network, units), units, [&](const std::string& layer, std::int64_t k) {
    return l1(filter(network, layer, k));
  });
  expect_means(scores("l2", network, units), units, [&](const std::string& layer, std::int64_t k) {
    return l2(filter(network, layer, k));
  });
}

TEST(ChannelCriteria, DistancesFromTheGeometricMedian) {
  const nn::Network network = random_network(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10), 2);
  const Units units = find_units(network.graph(), WidthMode::stream);
  expect_means(scores("fpgm", network, units), units,
               [&](const std::string& layer, std::int64_t k) {
                 double sum = 0;
                 for (std::int64_t other = 0; other < 16; ++other) {
                   std::vector<double> a = filter(network, layer, k);
                   const std::vector<double> b = filter(network, layer, other);
                   for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
                   sum += l2(a);
                 }
                 return sum;
               });
}

TEST(ChannelCriteria, BnScaleIsTheDefaultAndWhatItWas) {
  EXPECT_EQ(channel_criteria().front().name, "bn-scale");
  for (const WidthMode mode : {WidthMode::inner, WidthMode::stream}) {
    const nn::Network network =
        random_network(nn::densenet({.layers_per_block = 2, .growth = 4}, 3, 10), 3);
    EXPECT_EQ(scores("bn-scale", network, find_units(network.graph(), mode)),
              unit_scores(network, mode));
  }
}

// The mean loss over all images, batch norms as in training.
double loss(const nn::Network& network) {
  engine::Tape tape(testing::cpu, engine::Tape::Mode::no_grad);
  nn::DeviceLoader loader(data, normalisation, {.batch = data.count, .shuffle = false},
                          testing::cpu);
  loader.start(0);
  const nn::DeviceBatch batch = *loader.next();
  const engine::Var logits =
      nn::Executor(network)
          .forward(tape, nn::network_input(testing::cpu, batch.x, 8), nn::training)
          .logits;
  return engine::softmax_cross_entropy(tape, logits, batch.labels, 0.0f).value.values()[0];
}

// The derivative of the loss by a factor on one channel of several parameters.
double derivative(const nn::Network& network, const std::vector<std::string>& parameters,
                  std::int64_t channel) {
  constexpr float h = 0.0007f;  // few ReLUs change sides in so small a step
  const auto scaled = [&](float factor) {
    nn::Network changed = network.clone();
    for (const std::string& name : parameters) {
      engine::Tensor& value = changed.parameter(name).var.value;
      for (std::int64_t i = channel; i < value.size(); i += value.shape().channels()) {
        value.values()[static_cast<std::size_t>(i)] *= factor;
      }
    }
    return loss(changed);
  };
  return (scaled(1 + h) - scaled(1 - h)) / (2 * static_cast<double>(h));
}

TEST(ChannelCriteria, TaylorIsTheSquaredDerivativeByAGate) {
  const nn::Network network = random_network(nn::cifar_resnet(8, nn::Shortcut::B, 3, 10), 4);
  const Units units = find_units(network.graph(), WidthMode::stream);
  const std::vector<double> found = scores("taylor", network, units);
  ASSERT_EQ(units.groups[0], "conv1 stream");
  ASSERT_EQ(units.groups[1], "layer1.0.conv1");
  const std::vector<std::vector<std::string>> gates = {
      {"bn1.weight", "bn1.bias", "layer1.0.bn2.weight", "layer1.0.bn2.bias"},
      {"layer1.0.bn1.weight", "layer1.0.bn1.bias"}};
  for (std::size_t group = 0; group < 2; ++group) {
    double greatest = 0;
    for (std::size_t k = 0; k < 16; ++k) greatest = std::max(greatest, found[16 * group + k]);
    ASSERT_GT(greatest, 0);
    for (std::int64_t k = 0; k < 16; ++k) {
      const double expected = derivative(network, gates[group], k);
      EXPECT_NEAR(std::sqrt(found[16 * group + static_cast<std::size_t>(k)]), std::abs(expected),
                  0.05 * std::sqrt(greatest))
          << group << " " << k;
    }
  }
}

TEST(ChannelCriteria, WeightsOfSelectionsAreThoseOfTheirReaders) {
  const nn::Network network =
      random_network(nn::densenet({.layers_per_block = 1, .growth = 4, .stem = 8}, 3, 10), 5);
  const Units units = find_units(network.graph(), WidthMode::inner);
  ASSERT_EQ(units.groups[0], "dense1.0.bn1");
  ASSERT_EQ(units.groups.back(), "bn");
  const std::vector<double> found = scores("l1", network, units);
  // (r, s, c, k) = (3, 3, 8, 4) of the convolution, (c, k) = (20, 10) of the classifier.
  const auto check = [&](const std::string& reader, std::int64_t c, std::size_t first) {
    const engine::Tensor& w = network.parameter(reader + ".weight").var.value;
    const std::int64_t k = w.shape().channels();
    std::vector<double> expected(static_cast<std::size_t>(c), 0.0);
    for (std::int64_t i = 0; i < w.size(); ++i) {
      expected[static_cast<std::size_t>(i / k % c)] +=
          std::abs(w.values()[static_cast<std::size_t>(i)]);
    }
    const double mean =
        std::accumulate(expected.begin(), expected.end(), 0.0) / static_cast<double>(c);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found[first + i], expected[i] / mean, 1e-6) << reader << " " << i;
    }
  };
  check("dense1.0.conv1", 8, 0);
  check("fc", 20, units.units.size() - 20);
  // What a cut selects is scored by the same weights.
  const Cut smaller = cut(network, {{}, select_units(units, found, 0.6)});
  const Units left = find_units(smaller.network.graph(), WidthMode::inner);
  for (const char* name : {"l1", "l2", "fpgm", "taylor"}) {
    const std::vector<double> again = scores(name, smaller.network, left);
    EXPECT_EQ(again.size(), left.units.size()) << name;
    EXPECT_TRUE(std::ranges::all_of(again, [](double x) { return std::isfinite(x); })) << name;
  }
}

// Convolutions without batch norms.
nn::Graph without_norms() {
  nn::Graph g;
  const nn::NodeId x = g.add("input", nn::Input{3}, {});
  const nn::NodeId a = g.add("conv1", nn::Conv2d{6, 3, 1, 1, true}, {x});
  const nn::NodeId b = g.add("relu1", nn::Relu{}, {a});
  const nn::NodeId c = g.add("conv2", nn::Conv2d{5, 3, 2, 1}, {b});
  const nn::NodeId d = g.add("pool", nn::GlobalAvgPool{}, {c});
  g.add("fc", nn::Linear{10}, {d});
  return g;
}

TEST(ChannelCriteria, WeightsPruneGroupsWithoutBatchNorm) {
  nn::Network network = random_network(without_norms(), 6);
  EXPECT_TRUE(find_units(network.graph(), WidthMode::stream).units.empty());
  const Units units = find_units(network.graph(), WidthMode::stream, /*without_norm=*/true);
  EXPECT_EQ(units.groups, (std::vector<std::string>{"conv1", "conv2"}));
  ASSERT_EQ(units.units.size(), 11u);
  // Channel 2 of the first and channel 4 of the second are always 0.
  engine::Tensor& first = network.parameter("conv1.weight").var.value;
  for (std::int64_t i = 2; i < first.size(); i += 6)
    first.values()[static_cast<std::size_t>(i)] = 0;
  network.parameter("conv1.bias").var.value.values()[2] = 0;
  engine::Tensor& second = network.parameter("conv2.weight").var.value;
  for (std::int64_t i = 4; i < second.size(); i += 5) {
    second.values()[static_cast<std::size_t>(i)] = 0;
  }
  const engine::Tensor x = testing::random_images(4, 8, 7);
  for (const char* name : {"l1", "l2", "taylor"}) {
    ASSERT_TRUE(channel_criterion(name)->judges_without_norm());
    const UnitSelection kept = select_units(units, scores(name, network, units), 9.0 / 11.0);
    EXPECT_FALSE(kept.kept[2]) << name;
    EXPECT_FALSE(kept.kept[10]) << name;
    const Cut smaller = cut(network, {{}, kept});
    EXPECT_EQ(nn::infer_channels(smaller.network.graph())[1], 5);
    testing::expect_close(testing::logits(smaller.network, x), testing::logits(network, x));
  }
  EXPECT_FALSE(channel_criterion("bn-scale")->judges_without_norm());
}

TEST(ChannelCriteria, AreDeterministicAndLeaveTheNetworkAlone) {
  const nn::Network network = random_network(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10), 8);
  const nn::Network before = network.clone();
  const Units units = find_units(network.graph(), WidthMode::stream);
  std::set<std::vector<double>> different;
  for (const auto& entry : channel_criteria()) {
    EXPECT_FALSE(entry.help.empty());
    const std::vector<double> found = scores(entry.name, network, units);
    EXPECT_EQ(found, scores(entry.name, network, units)) << entry.name;
    EXPECT_EQ(found.size(), units.units.size()) << entry.name;
    different.insert(found);
  }
  EXPECT_EQ(different.size(), channel_criteria().size());
  EXPECT_NE(scores("random", network, units, 1), scores("random", network, units, 2));
  for (std::size_t i = 0; i < before.parameters().size(); ++i) {
    EXPECT_TRUE(std::ranges::equal(before.parameters()[i].var.value.values(),
                                   network.parameters()[i].var.value.values()));
  }
}

TEST(ChannelCriteria, RefuseWhatIsNotFinite) {
  nn::Network network = random_network(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10), 9);
  const Units units = find_units(network.graph(), WidthMode::stream);
  network.parameter("conv1.weight").var.value.values()[3] = NAN;
  for (const char* name : {"l1", "l2", "fpgm", "taylor"}) {
    EXPECT_THROW(scores(name, network, units), DivergedError) << name;
  }
  EXPECT_THROW(channel_criterion("l3"), ConfigError);
}

TEST(BlockCriteria, TheProbeIsTheDefault) {
  EXPECT_EQ(block_criteria().front().name, "probe");
  const nn::Network network = random_network(nn::cifar_resnet(14, nn::Shortcut::A, 3, 10), 1);
  ProbeOptions options;
  options.images = 1000;
  options.seed = 3;
  EXPECT_EQ(block_criterion("probe")->importance(network, evidence(3)),
            probe_blocks(network, data, data, normalisation, 8, testing::cpu, options).importance);
}

TEST(BlockCriteria, LastFirstAndRandom) {
  const nn::Network network = random_network(nn::cifar_resnet(20, nn::Shortcut::A, 3, 10), 1);
  const std::vector<double> last_first =
      block_criterion("last-first")->importance(network, evidence());
  EXPECT_EQ(select_blocks(network.graph(), last_first, 7),
            (std::vector<bool>{true, true, true, true, true, true, true, false, false}));
  const auto random = [&](std::uint64_t seed) {
    return block_criterion("random")->importance(network, evidence(seed));
  };
  EXPECT_EQ(random(1), random(1));
  EXPECT_NE(random(1), random(2));
  EXPECT_EQ(random(1).size(), 9u);
  EXPECT_THROW(block_criterion("first-first"), ConfigError);
}

}  // namespace
}  // namespace trifold::pruning
