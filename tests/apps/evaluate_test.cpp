#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/programs.h"

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

}  // namespace
}  // namespace trifold::apps_test
