/// Networks whose exporter folded the batch norms away get them back.
#include "pruning/unfold.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/arch/architectures.h"
#include "nn/io/model_file.h"
#include "nn/onnx/export.h"
#include "pruning/cost.h"
#include "surgery_support.h"
#include "tests/nn/depthwise_network.h"
#include "tests/nn/relu6_network.h"

namespace trifold::pruning {
namespace {

namespace fs = std::filesystem;

const nn::Normalisation normalisation{{0.5f, 0.4f, 0.3f}, {0.2f, 0.3f, 0.4f}};

nn::Dataset noise(std::int64_t count, std::int64_t side) {
  nn::Dataset data;
  data.name = "noise";
  data.count = count;
  data.height = data.width = side;
  data.channels = 3;
  data.classes = 4;
  engine::Random random(7, 1003);
  for (std::int64_t i = 0; i < count * side * side * 3; ++i) {
    data.pixels.push_back(static_cast<std::uint8_t>(256 * random.uniform()));
  }
  for (std::int64_t i = 0; i < count; ++i) data.labels.push_back(static_cast<std::int32_t>(i % 4));
  return data;
}

// As an exporter leaves it.
nn::Network folded(nn::Network network, std::int64_t side) {
  const fs::path path =
      fs::temp_directory_path() / ("trifold_unfold_" + std::to_string(::getpid()) + ".onnx");
  const nn::Model model{std::move(network),
                        {.arch = "some",
                         .side = side,
                         .data_side = side,
                         .normalisation = normalisation,
                         .class_names = {},
                         .original_channels = {}}};
  engine::write_file_atomically(path, nn::to_onnx(model));
  nn::Network again = std::move(nn::load_model(path).network);
  fs::remove(path);
  return again;
}

std::vector<std::string> ops(const nn::Graph& graph) {
  std::vector<std::string> names;
  for (const nn::Node& node : graph.nodes) {
    std::string name = nn::op_name(node.op);
    if (const auto* norm = std::get_if<nn::BatchNorm>(&node.op)) {
      name += norm->relu ? " relu" : "";
      name += node.inputs.size() == 2 ? " residual" : "";
    }
    names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

TEST(Unfold, GivesBackWhatAnExporterFolded) {
  std::uint64_t seed = 0;
  for (const std::string arch :
       {"resnet20", "resnet20b", "resnet50", "densenet40", "densenet-bc100", "relu6", "inverted"}) {
    SCOPED_TRACE(arch);
    const std::int64_t side = arch == "resnet50" ? 64 : 32;
    const nn::Network original = testing::random_network(
        arch == "relu6"      ? nn::with_relu6(nn::make_architecture("resnet14", 3, 4))
        : arch == "inverted" ? nn::inverted_residuals(4)
                             : nn::make_architecture(arch, 3, 4),
        ++seed);
    const nn::Network plain = folded(original.clone(), side);
    const bool has_folded = arch != "densenet40";  // whose norms all stand before convolutions
    EXPECT_EQ(without_norm(plain.graph()).empty(), !has_folded);
    EXPECT_TRUE(without_norm(original.graph()).empty());
    const nn::Network back =
        with_batch_norms(plain, noise(40, side), normalisation, side, testing::cpu, 1, 40);
    EXPECT_EQ(ops(back.graph()), ops(original.graph()));
    const engine::Tensor images = testing::random_images(2, side, 5);
    testing::expect_close(testing::logits(back, images), testing::logits(plain, images));
    EXPECT_EQ(count_cost(back.graph(), side).macs, count_cost(original.graph(), side).macs);
    EXPECT_EQ(count_cost(back.graph(), side).params, count_cost(original.graph(), side).params);
    EXPECT_EQ(back.graph().blocks.size(), plain.graph().blocks.size());
    const Units before = find_units(original.graph(), WidthMode::stream),
                after = find_units(back.graph(), WidthMode::stream);
    EXPECT_EQ(after.groups.size(), before.groups.size());
    EXPECT_EQ(after.units.size(), before.units.size());
  }
}

// Trained as it came, statistics of a batch of the images that were measured give the same function.
TEST(Unfold, MeasuresWhatABatchWouldSay) {
  constexpr std::int64_t side = 16, count = 32;
  const nn::Dataset data = noise(count, side);
  const nn::Network plain =
      folded(testing::random_network(nn::make_architecture("resnet8", 3, 4), 3), side);
  const nn::Network back =
      with_batch_norms(plain, data, normalisation, side, testing::cpu, 1, count);
  engine::Tensor images = engine::Tensor::empty({count, side, side, 3});
  for (std::size_t i = 0; i < data.pixels.size(); ++i) {
    images.values()[i] = (static_cast<float>(data.pixels[i]) / 255 - normalisation.mean[i % 3]) /
                         normalisation.std[i % 3];
  }
  engine::Tape tape(testing::cpu, engine::Tape::Mode::no_grad);
  const engine::Tensor trained =
      nn::Executor(back)
          .forward(tape, engine::Var::constant(images), {engine::Statistics::batch, 0.0f})
          .logits.value;
  testing::expect_close({trained.values().begin(), trained.values().end()},
                        testing::logits(plain, images));
}

TEST(Unfold, DependsOnNeitherThreadsNorWhatIsLeftOfThem) {
  const nn::Dataset data = noise(70, 16);
  const nn::Network plain =
      folded(testing::random_network(nn::make_architecture("resnet8b", 3, 4), 3), 16);
  kernels::ThreadPool pool(3);
  const nn::Network one = with_batch_norms(plain, data, normalisation, 16, {}, 1);
  const nn::Network three = with_batch_norms(plain, data, normalisation, 16, {.pool = &pool}, 1);
  for (const nn::Parameter& p : one.parameters()) {
    const engine::Tensor& other = three.parameter(p.name).var.value;
    EXPECT_TRUE(std::ranges::equal(p.var.value.values(), other.values())) << p.name;
  }
  // A network that has them is left as it is.
  EXPECT_EQ(with_batch_norms(one, data, normalisation, 16, {}, 1).graph(), one.graph());
}

TEST(Unfold, RefusesValuesThatCannotBeMeasured) {
  nn::Network plain =
      folded(testing::random_network(nn::make_architecture("resnet8", 3, 4), 3), 16);
  plain.parameters().front().var.value.values()[0] = std::numeric_limits<float>::max();
  plain.parameters().front().var.value.values()[1] = std::numeric_limits<float>::max();
  EXPECT_THROW(with_batch_norms(plain, noise(8, 16), normalisation, 16, {}, 1), DivergedError);
}

}  // namespace
}  // namespace trifold::pruning
