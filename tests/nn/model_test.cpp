/// Model files: exact round trips, plain files, and what is refused.
#include "nn/model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "kernels/error.h"
#include "nn/arch/architectures.h"

namespace trifold::nn {
namespace {

struct ModelFile : testing::Test {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("trifold-model-" + std::to_string(getpid()) + ".safetensors");
  void TearDown() override { std::filesystem::remove(path); }

  static Model sample() {
    Model model{Network(cifar_resnet(8, Shortcut::A, 3, 10)), {}};
    initialise(model.network, 4);
    model.info.arch = "resnet8";
    model.info.side = 28;
    model.info.data_side = 32;
    model.info.normalisation = {{0.1f, 0.2f, 0.3f}, {0.4f, 0.5f, 0.6f}};
    model.info.class_names = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    model.info.original_channels["conv1"] = {0, 2, 5};
    model.info.provenance.push_back({{"step", "test"}});
    return model;
  }

  // The file of sample(), changed by `spoil`, is refused with a text that has `part` in it.
  template <class F>
  void expect_refused(const char* part, F spoil) {
    save_model(path, sample());
    engine::SafetensorsFile file = engine::read_safetensors(path);
    spoil(file);
    engine::write_safetensors(path, file.metadata, file.tensors);
    try {
      load_model(path);
      ADD_FAILURE() << "not refused: " << part;
    } catch (const FileError& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find(path.string()), std::string::npos) << e.what();
    }
  }
};

TEST_F(ModelFile, ReadsBackWhatWasWrittenBitByBit) {
  const Model model = sample();
  save_model(path, model);
  const Model read = load_model(path);
  EXPECT_EQ(read.network.graph(), model.network.graph());
  EXPECT_EQ(read.info.side, 28);
  EXPECT_EQ(read.info.data_side, 32);
  EXPECT_EQ(read.info.normalisation, model.info.normalisation);
  EXPECT_EQ(read.info.class_names, model.info.class_names);
  EXPECT_EQ(read.info.original_channels, model.info.original_channels);
  EXPECT_EQ(read.info.provenance, model.info.provenance);
  for (const Parameter& p : model.network.parameters()) {
    const engine::Tensor& other = read.network.parameter(p.name).var.value;
    ASSERT_EQ(other.shape(), p.var.shape()) << p.name;
    EXPECT_EQ(
        std::memcmp(other.data(), p.var.value.data(), static_cast<std::size_t>(other.bytes())), 0)
        << p.name;
  }
}

TEST_F(ModelFile, LoadsPlainFilesByMetadataOrHints) {
  save_model(path, sample());
  engine::SafetensorsFile file = engine::read_safetensors(path);
  EXPECT_EQ(file.at("conv1.weight").shape, (engine::Shape{16, 3, 3, 3}));
  engine::write_safetensors(
      path, {{"arch", "resnet8"}, {"mean", "0.1 0.2 0.3"}, {"std", "1,1,1"}, {"input", "3x24x24"}},
      file.tensors);
  EXPECT_EQ(load_model(path).info.side, 24);
  engine::write_safetensors(path, {}, file.tensors);
  EXPECT_THROW(load_model(path), ConfigError);
  EXPECT_THROW(load_model(path, {.arch = "resnet8", .normalisation = {}, .side = {}}), ConfigError);
  const PlainFileHints hints{"resnet8", Normalisation{{0, 0, 0}, {1, 1, 1}}, 32};
  EXPECT_EQ(load_model(path, hints).network.graph(), sample().network.graph());
  const PlainFileHints wrong{"resnet9998", Normalisation{{0, 0, 0}, {1, 1, 1}}, 32};
  EXPECT_THROW(load_model(path, wrong), FileError);
}

TEST_F(ModelFile, RefusesDamage) {
  expect_refused("not JSON", [](auto& f) { f.metadata["trifold.graph"] = "{"; });
  expect_refused("damaged", [](auto& f) { f.metadata["trifold.graph"] = "{}"; });
  expect_refused("damaged", [](auto& f) { f.metadata["trifold.model"] = "{}"; });
  expect_refused("conv1.weight", [](auto& f) { f.tensors.erase("conv1.weight"); });
  expect_refused("does not belong", [](auto& f) { f.tensors["stray"] = f.at("conv1.weight"); });
  expect_refused("not finite", [](auto& f) {
    const float nan = std::nanf("");
    std::memcpy(f.tensors.at("bn1.weight").bytes.data(), &nan, sizeof nan);
  });
  expect_refused("shape", [](auto& f) {
    // A structure that claims a million filters is refused before memory is asked for.
    nlohmann::json graph = nlohmann::json::parse(f.metadata["trifold.graph"]);
    graph["nodes"][3]["filters"] = 1 << 20;
    f.metadata["trifold.graph"] = graph.dump();
  });
  expect_refused("2 are named", [](auto& f) {
    auto info = nlohmann::json::parse(f.metadata.at("trifold.model"));
    info["class_names"] = {"a", "b"};
    f.metadata["trifold.model"] = info.dump();
  });
  expect_refused("deviation", [](auto& f) {
    nlohmann::json info = nlohmann::json::parse(f.metadata["trifold.model"]);
    info["std"] = {1.0, 0.0, 1.0};
    f.metadata["trifold.model"] = info.dump();
  });
}

}  // namespace
}  // namespace trifold::nn
