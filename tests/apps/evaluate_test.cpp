#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/safetensors.h"
#include "tests/apps/programs.h"
#include "tests/apps/records.h"
#include "tests/nn/data/image_support.h"

namespace trifold::apps_test {
namespace {

using nlohmann::json;

fs::path shared_folder() {
  const char* given = std::getenv("TRIFOLD_SHARED");
  return given != nullptr ? fs::path(given) : fs::path(TRIFOLD_SOURCE_DIR) / "../shared";
}

// Two networks that others have trained; the fixture holds their accuracy and loss by PyTorch.
class KnownWeights : public testing::TestWithParam<const char*> {};

TEST_P(KnownWeights, ScoreAsWithPyTorch) {
  const std::string file = std::string(GetParam()) + "-cifar10.safetensors";
  const fs::path shared = shared_folder();
  const fs::path weights = shared / "weights" / file, images = shared / "cifar-10-batches-bin";
  if (!fs::exists(weights) || !fs::exists(images)) {
    GTEST_SKIP() << "needs CIFAR-10 and weights in " << shared << " (TRIFOLD_SHARED)";
  }
  const json fixture = json::parse(
      read_text(fs::path(TRIFOLD_SOURCE_DIR) / "tests/fixtures/evaluate_reference.json"));
  const json& known = fixture.at("networks").at(GetParam());
  const Result result = run_program(
      "evaluate", {"--model", weights.string(), "--data", "cifar10:" + images.string(), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json figures = json::parse(result.out);
  EXPECT_EQ(figures.at("images"), 10000);
  EXPECT_NEAR(figures.at("top1").get<double>(), known.at("top1_percent").get<double>(), 0.02);
  EXPECT_NEAR(figures.at("loss").get<double>(), known.at("mean_loss").get<double>(), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(CifarResNets, KnownWeights, testing::Values("resnet20", "resnet56"));

TEST(Evaluate, AgreesWithWhatTrainingReported) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const Result trained =
      run_program("train", tiny_training(data, folder / "run", {"--epochs", "2", "--json"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const Result result = run_program(
      "evaluate",
      {"--model", (folder / "run/model.safetensors").string(), "--data", data, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json reported = json::parse(trained.out), figures = json::parse(result.out);
  EXPECT_EQ(figures.at("top1"), reported.at("test_top1"));
  EXPECT_EQ(figures.at("loss"), reported.at("test_loss"));
  EXPECT_EQ(figures.at("images"), 20);
}

TEST(Evaluate, LeavesOutWhatAPruningHasDecidedBy) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const Result trained =
      run_program("train", tiny_training(data, folder / "train", {"--epochs", "1"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const fs::path out = folder / "prune";
  const Result pruned = run_program(
      "prune", tiny_pruning("run", folder / "train/model.safetensors", data, out,
                            {"--held-out-from", "test", "--seed", "5", "--rounds", "1"}));
  ASSERT_EQ(pruned.code, 0) << pruned.err;
  const auto evaluated = [&](const std::string& seed) {
    const Result result =
        run_program("evaluate", {"--model", (out / "model.safetensors").string(), "--data", data,
                                 "--held-out", "10", "--seed", seed, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out);
  };
  const json figures = evaluated("5");
  EXPECT_EQ(figures.at("images"), 10);
  EXPECT_EQ(figures.at("top1"), steps_of(out).at("finetune").at("finetuned").at("test"));
  EXPECT_NE(figures.at("loss"), evaluated("6").at("loss"));
}

// Twelve training and four test pictures of 24 x 24 pixels in each of two classes.
std::string pictures_folder(const TempFolder& folder) {
  for (const std::string split : {"train", "test"}) {
    for (const std::string name : {"dark", "light"}) {
      const fs::path place = folder / "pictures" / split / name;
      fs::create_directories(place);
      for (std::int64_t i = 0; i < (split == "train" ? 12 : 4); ++i) {
        nn::Image image = nn::testing::gradient(24, 24, 3);
        for (std::size_t p = 0; p < image.pixels.size(); ++p) {
          const auto noise = static_cast<int>((p * 7919 + static_cast<std::size_t>(i) * 31) % 40);
          image.pixels[p] =
              static_cast<std::uint8_t>(image.pixels[p] / 2 + noise + (name == "light" ? 80 : 0));
        }
        const auto bytes = nn::testing::encode_png(image, SPNG_COLOR_TYPE_TRUECOLOR);
        write_text(place / (std::to_string(i) + ".png"), {bytes.begin(), bytes.end()});
      }
    }
  }
  return "folder:" + (folder / "pictures").string();
}

// The model's file knows the images that it was made for.
TEST(Evaluate, TakesWhatTheModelWasTrainedOn) {
  const TempFolder folder;
  const std::string data = pictures_folder(folder),
                    model = (folder / "run/model.safetensors").string();
  const Result trained =
      run_program("train", {"--arch", "resnet8", "--data", data, "--image-side", "16",
                            "--image-channels", "1", "--epochs", "1", "--batch", "8", "--threads",
                            "1", "--out", (folder / "run").string(), "--json"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto evaluate = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--model", model, "--data", data, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program("evaluate", words);
  };
  const json loss = json::parse(trained.out).at("test_loss");
  for (const std::vector<std::string>& told : std::vector<std::vector<std::string>>{
           {}, {"--image-side", "16"}, {"--image-channels", "1", "--resolution", "16"}}) {
    const Result result = evaluate(told);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(json::parse(result.out).at("loss"), loss);
    EXPECT_EQ(result.err, "");
  }
  const auto expect_note = [&](const std::vector<std::string>& told, const std::string& part) {
    const Result result = evaluate(told);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_NE(json::parse(result.out).at("loss"), loss);
    EXPECT_TRUE(result.err.starts_with("note: ")) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  };
  expect_note({"--image-side", "24"}, "24 x 24 pixels");
  expect_note({"--resolution", "12"}, "12 pixels");
  expect_note({"--mean", "0.1", "--std", "0.3"}, "means 0.1 and deviations 0.3");
  // What is smaller is resized; only what is made smaller can be anti-aliased.
  expect_note({"--resolution", "12", "--resize", "plain"}, "'plain'");
  EXPECT_NE(evaluate({"--resolution", "12", "--resize", "plain"}).out,
            evaluate({"--resolution", "12"}).out);
  const Result small = evaluate({"--memory-limit", "1e-6", "--stream", "off"});
  EXPECT_EQ(small.code, 2);
  EXPECT_TRUE(one_error(small, "raise the limit with --memory-limit")) << small.err;
  const Result cubic = evaluate({"--resize", "cubic"});
  EXPECT_EQ(cubic.code, 2);
  EXPECT_TRUE(one_error(cubic, "--resize")) << cubic.err;
  const Result colour = evaluate({"--image-channels", "3"});
  EXPECT_EQ(colour.code, 2);
  EXPECT_TRUE(one_error(colour, "1 channels")) << colour.err;
  const Result bytes = evaluate({"--mean", "123.7", "--std", "58.4"});
  EXPECT_EQ(bytes.code, 2);
  EXPECT_TRUE(one_error(bytes, "by 255")) << bytes.err;
  const Result arch = evaluate({"--arch", "resnet14"});
  EXPECT_EQ(arch.code, 2);
  EXPECT_TRUE(one_error(arch, "--arch")) << arch.err;

  // Another run, which --init starts, takes the same.
  const Result tuned =
      run_program("train", {"--init", model, "--data", data, "--epochs", "1", "--batch", "8",
                            "--threads", "1", "--out", (folder / "tuned").string()});
  EXPECT_EQ(tuned.code, 0) << tuned.err;
  const Result shown =
      run_program("inspect", {(folder / "tuned/model.safetensors").string(), "--json"});
  EXPECT_EQ(json::parse(shown.out).at("data_side"), 16);
  EXPECT_EQ(json::parse(shown.out).at("channels"), 1);
}

TEST(Evaluate, RefusesOtherClassesOrAnotherOrder) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder), model = (folder / "run/model.safetensors").string();
  name_tiny_classes(folder, 0);
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "run", {"--epochs", "1"})).code, 0);
  EXPECT_EQ(run_program("evaluate", {"--model", model, "--data", data}).code, 0);
  name_tiny_classes(folder, 4);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"evaluate", "--split", "test"},
           {"evaluate", "--split", "train"},
           {"prune", "plan", "--out", (folder / "pruned").string()}}) {
    std::vector<std::string> arguments(words.begin() + 1, words.end());
    arguments.insert(arguments.end(), {"--model", model, "--data", data});
    const Result result = run_program(words[0], arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_TRUE(one_error(result, "class 0 is 'b' in the model and 'a' in the data")) << result.err;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_FALSE(fs::exists(folder / "pruned"));
}

TEST(Evaluate, PrintsNoLossThatIsNotFinite) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder), model = (folder / "run/model.safetensors").string();
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "run", {"--epochs", "1"})).code, 0);
  const engine::SafetensorsFile good = engine::read_safetensors(model);
  const auto refused = [&](const std::string& name, float value, const std::string& part) {
    engine::SafetensorsFile file = good;
    std::vector<std::byte>& bytes = file.tensors.at(name).bytes;
    for (std::size_t i = 0; i < bytes.size(); i += sizeof value) {
      std::memcpy(bytes.data() + i, &value, sizeof value);
    }
    engine::write_safetensors(model, file.metadata, file.tensors);
    const Result result = run_program("evaluate", {"--model", model, "--data", data});
    EXPECT_EQ(result.code, 3) << name;
    EXPECT_TRUE(one_error(result, part)) << result.err;
    EXPECT_TRUE(one_error(result, model)) << result.err;
    EXPECT_EQ(result.out, "") << name;
  };
  refused("bn1.running_var", -1, "'bn1.running_var' holds -1 at element 0 of 16");
  refused("bn1.bias", 3e38f, "the loss on the images of cifar10 is not finite");
}

}  // namespace
}  // namespace trifold::apps_test
