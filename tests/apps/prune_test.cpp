/// prune from end to end on tiny data: stages, resume after kills, targets that can't be met.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

struct Prune : testing::Test {
  TempFolder folder;
  std::string data = tiny_cifar(folder);
  std::string model = (folder / "train" / "model.safetensors").string();

  void SetUp() override {
    const Result trained =
        run_program("train", {"--arch", "resnet14", "--data", data, "--epochs", "1", "--batch", "6",
                              "--threads", "1", "--out", (folder / "train").string()});
    ASSERT_EQ(trained.code, 0) << trained.err;
  }

  std::vector<std::string> arguments(const std::string& stage, const fs::path& out,
                                     const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {
        stage,        "--model",           model, "--data",         data,  "--out",
        out.string(), "--target",          "0.5", "--rounds",       "2",   "--round-epochs",
        "1",          "--finetune-epochs", "2",   "--held-out",     "10",  "--batch",
        "8",          "--bn-batches",      "2",   "--probe-images", "100", "--threads",
        "1"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(Prune, RunsAllStagesWithinTheTarget) {
  const fs::path out = folder / "run";
  const Result result = run_program("prune", arguments("run", out));
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* file : {"model.safetensors", "pruned.safetensors", "report.html", "report.md",
                           "report.json", "summary.csv", "metrics.jsonl", "config.toml"}) {
    EXPECT_TRUE(fs::exists(out / file)) << file;
  }
  const auto journal = nlohmann::json::parse(read_text(out / "journal.json"));
  const auto& steps = journal.at("steps");
  const double original = steps.at("apply").at("original").at("macs").get<double>();
  const double pruned = steps.at("finetune").at("finetuned").at("macs").get<double>();
  EXPECT_LE(pruned, 0.5 * original);
  EXPECT_GT(pruned, 0.3 * original);

  const Result inspected = run_program("inspect", {(out / "model.safetensors").string(), "--json"});
  ASSERT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_EQ(nlohmann::json::parse(inspected.out).at("macs").get<double>(), pruned);

  const Result again = run_program("prune", arguments("run", out));
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(one_error(again, "--resume")) << again.err;
  const Result other = run_program("prune", arguments("run", out, {"--resume", "--seed", "9"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "seed")) << other.err;
}

TEST_F(Prune, AKilledRunEndsWithTheBitsOfAnUninterruptedOne) {
  const auto start = std::chrono::steady_clock::now();
  const fs::path whole = folder / "whole", killed = folder / "killed";
  const Result result = run_program("prune", arguments("run", whole));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  std::mt19937 random(11);
  for (int kills = 0; kills < 5; ++kills) {
    run_program("prune", arguments("run", killed, {"--resume"}),
                {SIGKILL, took * (10 + random() % 50) / 100});
  }
  const Result rest = run_program("prune", arguments("run", killed, {"--resume"}));
  ASSERT_EQ(rest.code, 0) << rest.err;
  for (const char* file : {"model.safetensors", "pruned.safetensors", "journal.json", "summary.csv",
                           "metrics.jsonl"}) {
    EXPECT_FALSE(read_text(whole / file).empty()) << file;
    EXPECT_TRUE(read_text(whole / file) == read_text(killed / file)) << file;
  }
}

TEST_F(Prune, RefusesWhatCannotBe) {
  const Result small = run_program(
      "prune",
      arguments("run", folder / "a", {"--target", "0.0001", "--dimensions", "resolution"}));
  EXPECT_EQ(small.code, 4);
  EXPECT_TRUE(one_error(small, "--floor")) << small.err;
  const Result nonsense =
      run_program("prune", arguments("run", folder / "b", {"--target", "half"}));
  EXPECT_EQ(nonsense.code, 2);
  EXPECT_TRUE(one_error(nonsense, "--target")) << nonsense.err;
  const Result early = run_program("prune", arguments("solve", folder / "c"));
  EXPECT_EQ(early.code, 2);
  EXPECT_TRUE(one_error(early, "has to be done first")) << early.err;
  const Result stage = run_program("prune", arguments("prune", folder / "d"));
  EXPECT_EQ(stage.code, 2);
  EXPECT_TRUE(one_error(stage, "the stages are")) << stage.err;
}

}  // namespace
}  // namespace trifold::apps_test
