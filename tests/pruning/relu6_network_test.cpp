/// A network with ReLU6 through everything: coupling, cost, training, cutting, files.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "nn/arch/architectures.h"
#include "nn/io/model_file.h"
#include "nn/train/evaluate.h"
#include "nn/train/trainer.h"
#include "pruning/channels.h"
#include "pruning/cost.h"
#include "pruning/unit_weights.h"
#include "surgery_support.h"
#include "tests/nn/relu6_network.h"

namespace trifold::pruning {
namespace {

using testing::node_of;

constexpr std::int64_t side = 12;

nn::Graph graph() { return nn::with_relu6(nn::cifar_resnet(8, nn::Shortcut::A, 3, 4)); }

TEST(Relu6Network, PassesChannelsOnAndCostsNothing) {
  const nn::Graph g = graph(), plain = nn::cifar_resnet(8, nn::Shortcut::A, 3, 4);
  const Coupling coupling = find_coupling(g);
  EXPECT_EQ(coupling.classes.size(), find_coupling(plain).classes.size());
  const auto row = [&](const char* name) {
    return coupling.of[static_cast<std::size_t>(node_of(g, name))];
  };
  EXPECT_EQ(row("bn1.relu6"), row("conv1"));
  EXPECT_EQ(row("layer1.0.bn1.relu6"), row("layer1.0.conv1"));

  const Cost cost = count_cost(g, 32), before = count_cost(plain, 32);
  EXPECT_EQ(cost.macs, before.macs);
  EXPECT_EQ(cost.params, before.params);
  const NodeCost& own = cost.nodes[static_cast<std::size_t>(node_of(g, "bn1.relu6"))];
  EXPECT_EQ(own.macs, 0);
  EXPECT_EQ(own.params, 0);
  EXPECT_EQ(own.activations, 32 * 32 * 16);
}

// What a selection of channels is judged by lies behind the ReLU6, as behind a ReLU.
TEST(Relu6Network, LetsWeightsBeReadThrough) {
  nn::Graph with_relu, with_relu6;
  for (nn::Graph* g : {&with_relu, &with_relu6}) {
    g->add("input", nn::Input{3}, {});
    g->add("conv", nn::Conv2d{.filters = 4, .window = 3, .pad = 1}, {0});
    g->add("bn", nn::BatchNorm{}, {1});
    g->add("act", g == &with_relu ? nn::Op(nn::Relu{}) : nn::Op(nn::Relu6{}), {2});
    g->add("pool", nn::GlobalAvgPool{}, {3});
    g->add("fc", nn::Linear{4}, {4});
  }
  const nn::Network a = testing::random_network(with_relu, 3);
  const nn::Network b = testing::random_network(with_relu6, 3);
  const Coupling coupling_a = find_coupling(a.graph()), coupling_b = find_coupling(b.graph());
  UnitWeights weights_a(a, coupling_a), weights_b(b, coupling_b);
  for (std::int64_t channel = 0; channel < 4; ++channel) {
    const Unit unit{0, unprunable, 2, channel};
    const std::vector<WeightSlice> expected = weights_a.slices(unit),
                                   found = weights_b.slices(unit);
    ASSERT_EQ(found.size(), expected.size());
    ASSERT_EQ(found.size(), 1u);
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].node, expected[i].node);
      EXPECT_EQ(found[i].values, expected[i].values);
    }
  }
}

TEST(Relu6Network, TrainsIsCutAndSaved) {
  const nn::Dataset data = testing::brightness(40, side);
  const nn::Normalisation normalisation = nn::measure_normalisation(data);
  nn::TrainOptions options;
  options.epochs = 12;
  options.batch = 8;
  options.lr = 0.05;
  options.seed = 5;
  options.augmentation = std::nullopt;
  const auto train = [&](nn::Network& network) {
    nn::Trainer trainer(network, data, normalisation, side, options, testing::cpu);
    while (!trainer.done()) trainer.run_epoch([](const nn::Progress&) { return true; });
    return nn::evaluate(network, data, normalisation, side, testing::cpu).top1();
  };
  nn::Network network(graph());
  nn::initialise(network, 1);
  EXPECT_GT(train(network), 95.0);

  const CutPlan plan = testing::random_plan(network.graph(), WidthMode::stream, false, true, 4);
  ASSERT_GT(std::ranges::count(plan.units.kept, false), 0);
  Cut smaller = cut(network, plan);
  const engine::Tensor images = testing::random_images(2, side, 6);
  testing::expect_close(testing::logits(smaller.network, images),
                        testing::logits(testing::masked(network, smaller.origin.channels), images));
  EXPECT_LT(count_cost(smaller.network.graph(), side).macs, count_cost(graph(), side).macs);
  EXPECT_GT(train(smaller.network), 95.0);

  const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                     ("trifold-relu6-" + std::to_string(getpid()) + ".safetensors");
  nn::Model model{smaller.network.clone(), {}};
  model.info.arch = "resnet8";
  model.info.side = model.info.data_side = side;
  model.info.normalisation = normalisation;
  model.info.class_names = data.class_names;
  nn::save_model(path, model);
  const nn::Model read = nn::load_model(path);
  std::filesystem::remove(path);
  EXPECT_EQ(read.network.graph(), smaller.network.graph());
  EXPECT_EQ(testing::logits(read.network, images), testing::logits(smaller.network, images));
}

}  // namespace
}  // namespace trifold::pruning
