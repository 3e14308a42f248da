/// Model files: exact round trips, plain files, and what is refused.
#include "nn/io/model_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>

#include "engine/safetensors.h"
#include "kernels/runtime/error.h"
#include "nn/arch/architectures.h"
#include "nn/arch/resnet.h"
#include "nn/io/parameters.h"

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

TEST_F(ModelFile, SaysHowImagesAreResized) {
  Model model = sample();
  EXPECT_EQ(model.info.resize, kernels::ResizeFilter::antialias);
  model.info.resize = kernels::ResizeFilter::plain;
  save_model(path, model);
  EXPECT_EQ(load_model(path).info.resize, kernels::ResizeFilter::plain);
  std::string said;
  const ModelHints hints{.arch = {},
                         .normalisation = {},
                         .side = {},
                         .resize = kernels::ResizeFilter::antialias,
                         .on_override = [&](const std::string& sentence) { said = sentence; }};
  EXPECT_EQ(load_model(path, hints).info.resize, kernels::ResizeFilter::antialias);
  EXPECT_NE(said.find("'antialias' instead of the file's 'plain'"), std::string::npos) << said;

  // Older files don't say: theirs was antialias.
  engine::SafetensorsFile file = engine::read_safetensors(path);
  nlohmann::json info = nlohmann::json::parse(file.metadata.at("trifold.model"));
  info.erase("resize");
  file.metadata["trifold.model"] = info.dump();
  engine::write_safetensors(path, file.metadata, file.tensors);
  EXPECT_EQ(load_model(path).info.resize, kernels::ResizeFilter::antialias);
  for (const nlohmann::json& wrong : {nlohmann::json("cubic"), nlohmann::json(3)}) {
    expect_refused(wrong.is_string() ? "'cubic' is not a way" : "trifold.model", [&](auto& f) {
      nlohmann::json changed = nlohmann::json::parse(f.metadata.at("trifold.model"));
      changed["resize"] = wrong;
      f.metadata["trifold.model"] = changed.dump();
    });
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
  const ModelHints hints{"resnet8", Normalisation{{0, 0, 0}, {1, 1, 1}}, 32};
  EXPECT_EQ(load_model(path, hints).network.graph(), sample().network.graph());
  const ModelHints wrong{"resnet9998", Normalisation{{0, 0, 0}, {1, 1, 1}}, 32};
  EXPECT_THROW(load_model(path, wrong), FileError);
  const ModelHints grey{"resnet8", Normalisation{{0}, {1}}, 32};
  EXPECT_THROW(load_model(path, grey), ConfigError);
}

TEST_F(ModelFile, KnowsTheSideOfABuiltInNetwork) {
  const auto side = [&](const char* arch) {
    Model model{Network(make_architecture(arch, 1, 2)), {}};
    std::map<std::string, engine::StoredTensor> tensors;
    store_parameters(model.network, "", tensors);
    engine::write_safetensors(path, {{"arch", arch}, {"mean", "0.5"}, {"std", "0.5"}}, tensors);
    const ModelInfo info = load_model(path).info;
    EXPECT_EQ(info.side, info.data_side);
    return info.side;
  };
  EXPECT_EQ(side("resnet8"), 32);
  EXPECT_EQ(side("resnet18"), 224);
}

// What the user says comes first, and each replaced fact is named.
TEST_F(ModelFile, SaysWhatReplacesItsFacts) {
  const Normalisation other{{0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f}};
  std::vector<std::string> said;
  const auto load = [&](std::optional<Normalisation> normalisation,
                        std::optional<std::int64_t> side) {
    said.clear();
    return load_model(path, {.arch = {},
                             .normalisation = std::move(normalisation),
                             .side = side,
                             .on_override = [&](const std::string& s) { said.push_back(s); }})
        .info;
  };
  const Model model = sample();
  const auto check = [&] {
    EXPECT_EQ(load(model.info.normalisation, {}).normalisation, model.info.normalisation);
    EXPECT_TRUE(said.empty()) << said[0];
    const ModelInfo info = load(other, 20);
    EXPECT_EQ(info.normalisation, other);
    EXPECT_EQ(info.side, 20);
    ASSERT_EQ(said.size(), 2u);
    EXPECT_NE(said[0].find("0.5 0.5 0.5"), std::string::npos) << said[0];
    EXPECT_NE(said[0].find("0.1 0.2 0.3"), std::string::npos) << said[0];
    EXPECT_NE(said[1].find("20 pixels"), std::string::npos) << said[1];
    EXPECT_THROW(load(other, 0), ConfigError);
    EXPECT_THROW(load(Normalisation{{0.5f}, {0.5f}}, {}), ConfigError);
  };
  save_model(path, model);
  check();
  EXPECT_EQ(load({}, 20).data_side, 32);
  EXPECT_THROW(load_model(path, {.arch = "resnet14", .normalisation = {}, .side = {}}),
               ConfigError);
  engine::SafetensorsFile file = engine::read_safetensors(path);
  engine::write_safetensors(
      path,
      {{"arch", "resnet8"}, {"mean", "0.1 0.2 0.3"}, {"std", ".4 .5 .6"}, {"input", "3x28x28"}},
      file.tensors);
  check();
}

TEST_F(ModelFile, QuestionsMeansOfBytes) {
  const auto of_bytes = [](auto& f) {
    auto info = nlohmann::json::parse(f.metadata.at("trifold.model"));
    info["mean"] = {123.675, 116.28, 103.53};
    info["std"] = {58.395, 57.12, 57.375};
    f.metadata["trifold.model"] = info.dump();
  };
  expect_refused("and so have to be all means and deviations", of_bytes);
  // The flags mend the file, and are questioned themselves.
  const Normalisation right{{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  EXPECT_EQ(load_model(path, {.arch = {}, .normalisation = right, .side = {}}).info.normalisation,
            right);
  for (const Normalisation& bytes :
       {Normalisation{{0, 0, 103.53f}, {1, 1, 1}}, Normalisation{{0, 0, 0}, {255, 255, 255}}}) {
    EXPECT_THROW(load_model(path, {.arch = {}, .normalisation = bytes, .side = {}}), ConfigError);
  }
}

TEST_F(ModelFile, LoadsWrappedNames) {
  const Model model = sample();
  for (const char* prefix : {"module.", "_orig_mod.", "_orig_mod.module.", "net."}) {
    for (const char* head : {"linear", "fc", "classifier.1"}) {
      for (const bool plain : {false, true}) {
        save_model(path, model);
        engine::SafetensorsFile file = engine::read_safetensors(path);
        std::map<std::string, engine::StoredTensor> tensors;
        for (const auto& [name, tensor] : file.tensors) {
          const std::string tail = name.starts_with("linear") ? head + name.substr(6) : name;
          tensors[prefix + tail] = tensor;
        }
        const engine::StoredTensor count{engine::StoredType::i64, {1}, std::vector<std::byte>(8)};
        const engine::StoredTensor ops{engine::StoredType::f64, {1}, std::vector<std::byte>(8)};
        tensors[std::string(prefix) + "bn1.num_batches_tracked"] = count;
        tensors["n_averaged"] = count;
        tensors["total_ops"] = ops;
        tensors[std::string(prefix) + "layer1.0.conv1.total_params"] = ops;
        if (plain) {
          file.metadata = {{"arch", "resnet8"}, {"mean", "0 0 0"}, {"std", "1 1 1"}};
        }
        engine::write_safetensors(path, file.metadata, tensors);
        const Model read = load_model(path);
        EXPECT_EQ(read.network.graph(), model.network.graph()) << prefix << head;
        for (const Parameter& p : model.network.parameters()) {
          const engine::Tensor& other = read.network.parameter(p.name).var.value;
          EXPECT_TRUE(std::ranges::equal(other.values(), p.var.value.values())) << p.name;
        }
      }
    }
  }
}

TEST_F(ModelFile, NamesAPrefixThatOthersLack) {
  expect_refused("begin with 'net.', but there is 'step'", [](auto& f) {
    std::map<std::string, engine::StoredTensor> tensors;
    for (const auto& [name, tensor] : f.tensors) tensors["net." + name] = tensor;
    tensors["step"] = f.at("bn1.bias");
    f.tensors = tensors;
  });
}

TEST_F(ModelFile, NamesThePlaceOfAValueThatCannotBe) {
  const auto put = [](const char* name, std::size_t place, float value) {
    return [=](auto& f) {
      std::memcpy(f.tensors.at(name).bytes.data() + place * sizeof value, &value, sizeof value);
    };
  };
  const float infinity = std::numeric_limits<float>::infinity();
  expect_refused("'bn1.running_var' holds -1 at element 0 of 16", put("bn1.running_var", 0, -1));
  expect_refused("'bn1.running_mean' holds -inf at element 15 of 16",
                 put("bn1.running_mean", 15, -infinity));
  expect_refused("'linear.bias' holds inf at element 3 of 10", put("linear.bias", 3, infinity));
  expect_refused("not finite", put("conv1.weight", 431, std::nanf("")));
}

TEST_F(ModelFile, RefusesToWriteWhatIsNotFinite) {
  for (const char* name : {"conv1.weight", "bn1.running_var", "linear.bias"}) {
    Model model = sample();
    model.network.parameter(name).var.value.values()[1] = std::nanf("");
    EXPECT_THROW(save_model(path, model), DivergedError) << name;
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST_F(ModelFile, TakesANewHead) {
  const Model before = sample();
  Model model = before.clone();
  model.info.original_channels["linear"] = {0, 1};
  replace_head(model, 3, {"x", "y", "z"}, 7);
  EXPECT_EQ(model.info.class_names, (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(model.info.original_channels.at("linear"), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(model.info.original_channels.at("conv1"), (std::vector<std::int64_t>{0, 2, 5}));
  EXPECT_EQ(infer_channels(model.network.graph()).back(), 3);
  Network same(cifar_resnet(8, Shortcut::A, 3, 3));
  initialise(same, 7);
  for (const Parameter& p : model.network.parameters()) {
    const bool head = p.name.starts_with("linear.");
    const auto expected = (head ? same : before.network).parameter(p.name).var.value;
    EXPECT_TRUE(std::ranges::equal(p.var.value.values(), expected.values())) << p.name;
  }
  save_model(path, model);
  EXPECT_EQ(load_model(path).info.class_names, model.info.class_names);
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
  expect_refused("image side of 0", [](auto& f) {
    auto info = nlohmann::json::parse(f.metadata.at("trifold.model"));
    info["data_side"] = 0;
    f.metadata["trifold.model"] = info.dump();
  });
  expect_refused("deviation", [](auto& f) {
    nlohmann::json info = nlohmann::json::parse(f.metadata["trifold.model"]);
    info["std"] = std::vector<double>{1.0, 0.0, 1.0};
    f.metadata["trifold.model"] = info.dump();
  });
}

}  // namespace
}  // namespace trifold::nn
