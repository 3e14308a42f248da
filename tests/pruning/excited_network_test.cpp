/// A network with squeeze-and-excitation through everything: coupling, weights, cutting, files.
#include "tests/nn/excited_network.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "engine/file_io.h"
#include "nn/execute/folded_network.h"
#include "nn/io/model_file.h"
#include "nn/onnx/export.h"
#include "nn/train/evaluate.h"
#include "nn/train/trainer.h"
#include "pruning/channels.h"
#include "pruning/cost.h"
#include "pruning/criterion.h"
#include "pruning/unfold.h"
#include "pruning/unit_weights.h"
#include "surgery_support.h"

namespace trifold::pruning {
namespace {

using testing::node_of;

constexpr std::int64_t side = 12;

class ExcitedNetwork : public ::testing::TestWithParam<bool> {
 protected:
  const nn::Graph graph = nn::excited_residuals(4, GetParam());
};
INSTANTIATE_TEST_SUITE_P(Kinds, ExcitedNetwork, ::testing::Bool(),
                         [](const auto& hard) { return hard.param ? "hard" : "smooth"; });

TEST_P(ExcitedNetwork, TiesTheFactorsToTheChannelsThatTheyScale) {
  const Coupling coupling = find_coupling(graph);
  const auto row = [&](const char* name) {
    return coupling.of[static_cast<std::size_t>(node_of(graph, name))];
  };
  for (const char* name : {"blocks.0.conv2", "blocks.0.act2", "blocks.0.squeeze", "blocks.0.fc2",
                           "blocks.0.gate", "blocks.0.scale"}) {
    EXPECT_EQ(row(name), row("blocks.0.conv1")) << name;
  }
  const ChannelClass& hidden = coupling[row("blocks.0.conv1")[5]];
  ASSERT_EQ(hidden.producers.size(), 2u);
  EXPECT_EQ(hidden.producers[0].node, node_of(graph, "blocks.0.conv1"));
  EXPECT_EQ(hidden.producers[1].node, node_of(graph, "blocks.0.fc2"));
  EXPECT_EQ(hidden.batch_norms.size(), 2u);
  const ChannelClass& squeezed = coupling[row("blocks.0.fc1")[1]];
  ASSERT_EQ(squeezed.producers.size(), 1u) << "the squeeze's channels are tied to nothing";
  EXPECT_TRUE(squeezed.batch_norms.empty());
  EXPECT_EQ(row("blocks.0.bn3"), row("stem"));
}

TEST_P(ExcitedNetwork, HasAGroupForEachSqueezeWhereACriterionDoesWithoutNorms) {
  const std::vector<std::string> hidden = {"blocks.0.conv1", "blocks.1.conv1", "blocks.2.conv1"};
  EXPECT_EQ(find_units(graph, WidthMode::inner).groups, hidden);
  const std::vector<std::string> all = {"blocks.0.conv1", "blocks.0.fc1",   "blocks.1.conv1",
                                        "blocks.1.fc1",   "blocks.2.conv1", "blocks.2.fc1"};
  EXPECT_EQ(find_units(graph, WidthMode::inner, true).groups, all);
  std::vector<std::string> stream = find_units(graph, WidthMode::stream).groups;
  std::ranges::sort(stream);
  EXPECT_EQ(stream,
            (std::vector<std::string>{"blocks.0.conv1", "blocks.1.conv1", "blocks.1.conv3 stream",
                                      "blocks.2.conv1", "stem stream"}));
}

TEST_P(ExcitedNetwork, WeighsAChannelByItsFilterAndItsFactor) {
  const nn::Network network = testing::random_network(graph, 3);
  const Units units = find_units(graph, WidthMode::inner, true);
  UnitWeights weights(network, units.coupling);
  const std::vector<WeightSlice> hidden = weights.slices(units.units.front());
  ASSERT_EQ(hidden.size(), 2u);
  EXPECT_EQ(hidden[0].values.size(), 8u) << "of the convolution";
  EXPECT_EQ(hidden[1].values.size(), 4u) << "of the excitation";
}

TEST_P(ExcitedNetwork, ComputesAfterCutsWhatMaskedChannelsDo) {
  const nn::Network network = testing::random_network(graph, 4);
  const engine::Tensor images = testing::random_images(2, side, 5);
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    const WidthMode mode = seed % 2 == 0 ? WidthMode::inner : WidthMode::stream;
    const CutPlan plan = testing::random_plan(graph, mode, seed > 2, true, seed);
    const Cut smaller = cut(network, plan);
    testing::expect_close(
        testing::logits(smaller.network, images),
        testing::logits(testing::masked(network, smaller.origin.channels), images));
  }
}

// A squeeze's channel that is gone adds nothing to any factor: every function between its two
// layers takes 0 for 0.
TEST_P(ExcitedNetwork, ComputesAfterCutsOfItsSqueezesWhatZeroedOnesDo) {
  const nn::Network network = testing::random_network(graph, 6);
  const Units units = find_units(graph, WidthMode::inner, true);
  CutPlan plan{{}, {WidthMode::inner, std::vector<bool>(units.units.size(), true), true}};
  nn::Network zeroed = network.clone();
  std::int64_t removed = 0;
  for (std::size_t i = 0; i < units.units.size(); ++i) {
    const Unit& unit = units.units[i];
    const std::string& group = units.groups[static_cast<std::size_t>(unit.group)];
    if (!group.ends_with("fc1") || unit.channel % 2 == 0) continue;
    plan.units.kept[i] = false;
    ++removed;
    for (const char* suffix : {".weight", ".bias"}) {
      const engine::Tensor values = zeroed.parameter(group + suffix).var.value;
      for (std::int64_t at = unit.channel; at < values.size(); at += values.shape().channels()) {
        values.data()[at] = 0.0f;
      }
    }
  }
  ASSERT_EQ(removed, 6);
  const Cut smaller = cut(network, plan);
  const nn::Graph& small = smaller.network.graph();
  EXPECT_EQ(std::get<nn::Linear>(small.node(node_of(small, "blocks.1.fc1")).op).outputs, 2);
  EXPECT_EQ(std::get<nn::Linear>(small.node(node_of(small, "blocks.1.fc2")).op).outputs, 16);
  const engine::Tensor images = testing::random_images(2, side, 7);
  testing::expect_close(testing::logits(smaller.network, images), testing::logits(zeroed, images));
}

TEST_P(ExcitedNetwork, ComesBackFromItsFiles) {
  const nn::Network whole = testing::random_network(graph, 8);
  const CutPlan plan = testing::random_plan(graph, WidthMode::stream, false, true, 9);
  for (const bool is_cut : {false, true}) {
    nn::Model model{is_cut ? std::move(cut(whole, plan).network) : whole.clone(), {}};
    model.info.side = model.info.data_side = side;
    model.info.normalisation = nn::no_normalisation(3);
    model.info.class_names = {"a", "b", "c", "d"};
    const engine::Tensor images = testing::random_images(2, side, 10);
    const std::vector<float> expected = testing::logits(model.network, images);
    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("trifold-excited-" + std::to_string(getpid()));
    const std::filesystem::path file = path.string() + ".safetensors",
                                onnx = path.string() + ".onnx";
    nn::save_model(file, model);
    const nn::Model read = nn::load_model(file);
    std::filesystem::remove(file);
    EXPECT_EQ(read.network.graph(), model.network.graph());
    EXPECT_EQ(testing::logits(read.network, images), expected);

    engine::write_file_atomically(onnx, nn::to_onnx(model, {.fold = false}));
    const nn::Model again = nn::load_model(onnx);
    EXPECT_EQ(testing::logits(again.network, images), expected);
    EXPECT_EQ(count_cost(again.network.graph(), side).macs,
              count_cost(model.network.graph(), side).macs);
    EXPECT_EQ(find_units(again.network.graph(), WidthMode::stream, true).groups.size(),
              find_units(model.network.graph(), WidthMode::stream, true).groups.size());
    ASSERT_EQ(again.network.graph().blocks.size(), 2u) << "a channel scale ends no block";
    EXPECT_EQ(again.network.graph().blocks[1].name, "blocks.2");
    EXPECT_TRUE(again.network.graph().blocks[1].skippable);

    engine::write_file_atomically(onnx, nn::to_onnx(model));
    testing::expect_close(testing::logits(nn::load_model(onnx).network, images), expected);
    std::filesystem::remove(onnx);
  }
}

TEST_P(ExcitedNetwork, InfersFoldedAsItDoesOpByOp) {
  const nn::Network network = testing::random_network(graph, 11);
  const engine::Tensor images = testing::random_images(3, side, 12);
  const engine::Tensor y = nn::FoldedNetwork(network).forward(testing::cpu, images);
  testing::expect_close({y.values().begin(), y.values().end()}, testing::logits(network, images));
}

// Fused steps give the loss of steps op by op; every criterion that can judges the squeezes.
TEST_P(ExcitedNetwork, TrainsAndIsJudged) {
  const nn::Dataset data = testing::brightness(32, side);
  const nn::Normalisation normalisation = nn::measure_normalisation(data);
  nn::Network network(graph);
  nn::initialise(network, 1);
  const double before = nn::evaluate(network, data, normalisation, side, testing::cpu).loss;
  nn::TrainOptions options;
  options.epochs = 6;
  options.batch = 8;
  options.lr = 0.05;
  options.augmentation = std::nullopt;
  nn::Trainer trainer(network, data, normalisation, side, options, testing::cpu);
  while (!trainer.done()) trainer.run_epoch([](const nn::Progress&) { return true; });
  EXPECT_LT(nn::evaluate(network, data, normalisation, side, testing::cpu).loss, before);
  const Evidence evidence{data, data, normalisation, {side}, testing::cpu, 1, 16};
  for (const auto& entry : channel_criteria()) {
    const auto criterion = entry.make();
    const Units units = find_units(graph, WidthMode::stream, criterion->judges_without_norm());
    const std::vector<double> scores = criterion->scores(network, units, evidence);
    ASSERT_EQ(scores.size(), units.units.size()) << entry.name;
    for (double score : scores) EXPECT_TRUE(std::isfinite(score)) << entry.name;
  }
}

// Where an exporter has folded the batch norms away: they come back behind convolutions alone.
TEST_P(ExcitedNetwork, GetsBatchNormsBehindItsConvolutions) {
  const nn::Network network = testing::random_network(graph, 13);
  EXPECT_TRUE(without_norm(graph).empty());
  nn::Model model{network.clone(), {}};
  model.info.side = model.info.data_side = side;
  model.info.normalisation = nn::no_normalisation(3);
  const std::filesystem::path onnx = std::filesystem::temp_directory_path() /
                                     ("trifold-unfold-" + std::to_string(getpid()) + ".onnx");
  engine::write_file_atomically(onnx, nn::to_onnx(model));
  const nn::Network folded = nn::load_model(onnx).network.clone();
  std::filesystem::remove(onnx);
  const nn::Dataset data = testing::brightness(16, side);
  const nn::Network unfolded =
      with_batch_norms(folded, data, nn::no_normalisation(3), {side}, testing::cpu, 1, 16);
  const engine::Tensor images = testing::random_images(2, side, 14);
  testing::expect_close(testing::logits(unfolded, images), testing::logits(network, images));
  EXPECT_EQ(find_units(unfolded.graph(), WidthMode::stream).groups.size(), 5u);
}

}  // namespace
}  // namespace trifold::pruning
