/// A network with depthwise convolutions through everything: coupling, cost, weights, cutting,
/// files.
#include "tests/nn/depthwise_network.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "engine/safetensors.h"
#include "nn/arch/mobilenet.h"
#include "nn/io/model_file.h"
#include "nn/train/evaluate.h"
#include "nn/train/trainer.h"
#include "pruning/channels.h"
#include "pruning/cost.h"
#include "pruning/cost_model.h"
#include "pruning/space.h"
#include "pruning/unit_weights.h"
#include "surgery_support.h"

namespace trifold::pruning {
namespace {

using testing::node_of;

constexpr std::int64_t side = 12;

TEST(DepthwiseNetwork, CouplesAFiltersChannelWithWhatItReads) {
  const nn::Graph g = nn::inverted_residuals();
  const Coupling coupling = find_coupling(g);
  const auto row = [&](const char* name) {
    return coupling.of[static_cast<std::size_t>(node_of(g, name))];
  };
  for (const char* name : {"blocks.0.bn1", "blocks.0.conv2", "blocks.0.bn2"}) {
    EXPECT_EQ(row(name), row("blocks.0.conv1")) << name;
  }
  const ChannelClass& hidden = coupling[row("blocks.0.conv1")[5]];
  ASSERT_EQ(hidden.producers.size(), 1u);
  EXPECT_EQ(hidden.producers[0].node, node_of(g, "blocks.0.conv1"));
  EXPECT_EQ(hidden.batch_norms.size(), 2u);
  // Both identities of the first stage tie the stem's channels.
  EXPECT_EQ(row("blocks.1.bn3"), row("stem"));
  EXPECT_NE(row("blocks.2.bn3"), row("stem"));
}

TEST(DepthwiseNetwork, HasAGroupForEachHiddenLayerAndEachStream) {
  const nn::Graph g = nn::inverted_residuals();
  const std::vector<std::string> hidden = {"blocks.0.conv1", "blocks.1.conv1", "blocks.2.conv1",
                                           "blocks.3.conv1"};
  EXPECT_EQ(find_units(g, WidthMode::inner).groups, hidden);
  std::vector<std::string> all = find_units(g, WidthMode::stream).groups;
  std::ranges::sort(all);
  std::vector<std::string> expected = hidden;
  for (const char* name : {"stem stream", "blocks.2.conv3 stream", "head"}) {
    expected.emplace_back(name);
  }
  std::ranges::sort(expected);
  EXPECT_EQ(all, expected);
}

TEST(DepthwiseNetwork, CostsOneFilterAChannel) {
  const nn::Graph g = nn::inverted_residuals();
  const Cost cost = count_cost(g, side);
  const NodeCost& wide = cost.nodes[static_cast<std::size_t>(node_of(g, "blocks.0.conv2"))];
  EXPECT_EQ(wide.macs, 12 * 12 * 24 * 9);
  EXPECT_EQ(wide.params, 24 * 9);
  const NodeCost& strided = cost.nodes[static_cast<std::size_t>(node_of(g, "blocks.2.conv2"))];
  EXPECT_EQ(strided.macs, 6 * 6 * 24 * 25);
  EXPECT_EQ(strided.activations, 6 * 6 * 24);
}

// A selection of channels is judged by the depthwise filters that read them; those of what makes the
// channels are the convolution's in front.
TEST(DepthwiseNetwork, WeighsChannelsByTheirFilters) {
  nn::Graph g;
  g.add("input", nn::Input{3}, {});
  g.add("conv", nn::Conv2d{.filters = 4, .window = 3, .pad = 1}, {0});
  g.add("bn", nn::BatchNorm{}, {1});
  g.add("depthwise", nn::DepthwiseConv2d{.window = 3, .pad = 1}, {2});
  g.add("pool", nn::GlobalAvgPool{}, {3});
  g.add("fc", nn::Linear{4}, {4});
  const nn::Network network = testing::random_network(g, 3);
  const Coupling coupling = find_coupling(g);
  UnitWeights weights(network, coupling);
  const auto values = network.parameter("depthwise.weight").var.value.values();
  for (std::int64_t channel = 0; channel < 4; ++channel) {
    const std::vector<WeightSlice> read = weights.slices({0, unprunable, 2, channel});
    ASSERT_EQ(read.size(), 1u);
    EXPECT_EQ(read[0].node, 3);
    ASSERT_EQ(read[0].values.size(), 9u);
    for (std::size_t tap = 0; tap < 9; ++tap) {
      EXPECT_EQ(read[0].values[tap], values[tap * 4 + static_cast<std::size_t>(channel)]);
    }
    const std::vector<WeightSlice> made =
        weights.slices({0, coupling.class_of(1, channel), -1, channel});
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].node, 1);
  }
}

TEST(DepthwiseNetwork, ComesBackFromItsFile) {
  const nn::Network whole = testing::random_network(nn::inverted_residuals(4), 1);
  const CutPlan plan = testing::random_plan(whole.graph(), WidthMode::stream, true, true, 4);
  nn::Model model{std::move(cut(whole, plan).network), {}};
  model.info.arch = "inverted";
  model.info.side = model.info.data_side = side;
  model.info.normalisation = nn::no_normalisation(3);
  model.info.class_names = {"a", "b", "c", "d"};
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("trifold-depthwise-" + std::to_string(getpid()) + ".safetensors");
  nn::save_model(path, model);
  const nn::Model read = nn::load_model(path);
  const engine::SafetensorsFile file = engine::read_safetensors(path);
  std::filesystem::remove(path);
  EXPECT_EQ(read.network.graph(), model.network.graph());
  const engine::Tensor images = testing::random_images(2, side, 6);
  EXPECT_EQ(testing::logits(read.network, images), testing::logits(model.network, images));
  // PyTorch's layout: (c, 1, r, s).
  const std::string name = "blocks.0.conv2.weight";
  const engine::Tensor& own = model.network.parameter(name).var.value;
  const std::int64_t channels = own.shape().channels();
  const engine::Tensor stored = file.floats(name);
  ASSERT_EQ(stored.shape(), (engine::Shape{channels, 1, 3, 3}));
  for (std::int64_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(stored.data()[i], own.data()[i % 9 * channels + i / 9]);
  }
}

TEST(DepthwiseNetwork, MobileNetV2IsPrunedInEveryDimension) {
  const nn::Graph g = nn::mobilenet_v2(3, 10);
  const Units inner = find_units(g, WidthMode::inner), stream = find_units(g, WidthMode::stream);
  EXPECT_EQ(inner.groups.size(), 17u) << "the hidden channels of each block";
  EXPECT_EQ(stream.groups.size(), 17u + 9)
      << "and the streams: the stem's, seven stages', the head";
  const nn::Network network = testing::random_network(g, 3);
  const CutPlan plan = testing::random_plan(g, WidthMode::stream, true, true, 5);
  const Cut smaller = cut(network, plan);
  const engine::Tensor images = testing::random_images(1, 8, 6);
  testing::expect_close(testing::logits(smaller.network, images),
                        testing::logits(testing::masked(network, smaller.origin.channels), images));
}

// What a run of prune does, without its choice of a point: the last candidates are within the target,
// and train.
TEST(DepthwiseNetwork, IsTrainedCutToATargetAndTrainedOn) {
  constexpr std::int64_t image_side = 16;
  const nn::Dataset data = testing::brightness(32, image_side);
  const nn::Normalisation normalisation = nn::measure_normalisation(data);
  const auto train = [&](nn::Network& network) {
    nn::TrainOptions options;
    options.epochs = 2;
    options.batch = 8;
    options.lr = 0.05;
    options.augmentation = std::nullopt;
    nn::Trainer trainer(network, data, normalisation, image_side, options, testing::cpu);
    while (!trainer.done()) trainer.run_epoch([](const nn::Progress&) { return true; });
    return nn::evaluate(network, data, normalisation, image_side, testing::cpu).loss;
  };
  nn::Network original(nn::inverted_residuals(4));
  nn::initialise(original, 1);
  EXPECT_TRUE(std::isfinite(train(original)));

  constexpr double target = 0.5;
  const ScoreUnits score = [](const nn::Network& network, const Units& units) {
    return unit_scores(network, units.mode);
  };
  const std::vector<double> importance(original.graph().blocks.size(), 1.0);
  Space space(original, image_side, cost_models().front().make(original.graph(), image_side),
              {.target = target, .resolution = false}, importance, score);
  EXPECT_GT(space.blocks().size(), 1u);
  EXPECT_GT(space.widths().size(), 1u);
  const std::vector<GridIndex> candidates = space.budget_frontier();
  ASSERT_FALSE(candidates.empty());
  const auto macs = [&](const nn::Graph& graph) {
    return static_cast<double>(count_cost(graph, image_side).macs);
  };
  for (const GridIndex& at : candidates) {
    EXPECT_LE(macs(space.graph(at.depth, at.width)), target * macs(original.graph()));
  }
  const GridIndex& last = candidates.back();
  Cut smaller = cut_to(original, space.options(), importance, score,
                       space.blocks()[static_cast<std::size_t>(last.depth)],
                       space.widths()[static_cast<std::size_t>(last.width)].asked);
  EXPECT_EQ(smaller.network.graph(), space.graph(last.depth, last.width));
  EXPECT_TRUE(std::isfinite(train(smaller.network)));
}

}  // namespace
}  // namespace trifold::pruning
