/// Writes models with random parameters, and what they answer, for tests/check_export.py.
///
///     make_models FOLDER
///
/// NAME.safetensors is a model file; NAME.answers.safetensors has `images` (n, side, side, channels)
/// as the network sees them with their `logits`, and `bytes` (n, data side, data side, channels) with
/// their `byte_logits`, which evaluation gives.
#include <fmt/format.h>

#include <filesystem>

#include "engine/random.h"
#include "engine/safetensors.h"
#include "nn/arch/architectures.h"
#include "nn/io/model_file.h"
#include "nn/train/network_input.h"
#include "tests/nn/excited_network.h"
#include "tests/nn/flatten_network.h"
#include "tests/nn/grouped_network.h"
#include "tests/nn/relu6_network.h"
#include "tests/pruning/surgery_support.h"

namespace {

using namespace trifold;
using engine::Tensor;

constexpr std::int64_t count = 2;

Tensor logits_of(const nn::Network& network, const Tensor& images) {
  engine::Tape tape(kernels::Exec{}, engine::Tape::Mode::no_grad);
  return nn::Executor(network)
      .forward(tape, engine::Var::constant(images), nn::inference)
      .logits.value;
}

void write(const std::filesystem::path& folder, const std::string& name, nn::Network network,
           std::int64_t side, std::int64_t data_side,
           kernels::ResizeFilter resize = kernels::ResizeFilter::antialias) {
  const std::int64_t channels = network.graph().input_channels();
  const nn::Normalisation normalisation{{0.49f, 0.48f, 0.45f}, {0.25f, 0.24f, 0.26f}};
  engine::Random random(1, 7);
  Tensor images = Tensor::empty({count, side, side, channels});
  for (float& v : images.values()) v = static_cast<float>(random.normal());
  engine::StoredTensor bytes{.type = engine::StoredType::u8,
                             .shape = {count, data_side, data_side, channels},
                             .bytes = {}};
  Tensor normalised = Tensor::empty(bytes.shape);
  for (std::int64_t i = 0; i < bytes.shape.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(256 * random.uniform());
    const auto c = static_cast<std::size_t>(i % channels);
    bytes.bytes.push_back(std::byte{byte});
    normalised.values()[static_cast<std::size_t>(i)] =
        (static_cast<float>(byte) / 255.0f - normalisation.mean[c]) / normalisation.std[c];
  }
  const Tensor resized = nn::network_input(kernels::Exec{}, normalised, {side, resize}).value;
  engine::write_safetensors(
      folder / (name + ".answers.safetensors"), {},
      {{"images", engine::StoredTensor::from(images)},
       {"logits", engine::StoredTensor::from(logits_of(network, images))},
       {"bytes", bytes},
       {"byte_logits", engine::StoredTensor::from(logits_of(network, resized))}});
  nn::save_model(folder / (name + ".safetensors"), {std::move(network),
                                                    {.arch = name,
                                                     .side = side,
                                                     .data_side = data_side,
                                                     .resize = resize,
                                                     .normalisation = normalisation,
                                                     .class_names = {},
                                                     .original_channels = {}}});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: make_models FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  constexpr std::int64_t channels = 3, classes = 10;
  const auto side_of = [](const std::string& arch) {
    return nn::usual_side(arch) > 32 ? 64 : nn::usual_side(arch);
  };
  std::uint64_t seed = 0;
  for (const std::string& arch : nn::architecture_names()) {
    write(folder, arch,
          pruning::testing::random_network(nn::make_architecture(arch, channels, classes), ++seed),
          side_of(arch), side_of(arch));
  }
  write(folder, "relu6",
        pruning::testing::random_network(
            nn::with_relu6(nn::make_architecture("resnet14", channels, classes)), ++seed),
        32, 32);
  for (const bool hard : {false, true}) {
    write(folder, hard ? "excited-hard" : "excited",
          pruning::testing::random_network(nn::excited_residuals(classes, hard), ++seed), 16, 16);
  }
  write(folder, "flattened", pruning::testing::random_network(nn::flattened(classes), ++seed), 8,
        8);
  write(folder, "grouped",
        pruning::testing::random_network(nn::grouped_bottlenecks(classes), ++seed), 16, 16);
  const std::vector<std::string> cut = {"resnet20",    "densenet40", "resnet50", "resnet14",
                                        "resnet20",    "resnet18",   "resnet50", "densenet-bc100",
                                        "mobilenetv2", "vgg16"};
  constexpr int cuts = 64;
  for (int i = 0; i < cuts; ++i) {
    const std::string& arch = cut[static_cast<std::size_t>(i) % cut.size()];
    const nn::Network whole =
        pruning::testing::random_network(nn::make_architecture(arch, channels, classes), ++seed);
    const pruning::WidthMode mode =
        i % 16 < 8 ? pruning::WidthMode::stream : pruning::WidthMode::inner;
    nn::Network part = std::move(
        pruning::cut(whole, pruning::testing::random_plan(whole.graph(), mode, true, true, seed))
            .network);
    const std::int64_t side = side_of(arch);
    write(folder, fmt::format("{}-cut{}", arch, i), std::move(part), side * (12 + i % 5) / 16, side,
          i % 2 == 0 ? kernels::ResizeFilter::antialias : kernels::ResizeFilter::plain);
  }
  return 0;
}
