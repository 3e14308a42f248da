/// prune from end to end on tiny data: stages, resume after kills, targets that can't be met.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "engine/safetensors.h"
#include "tests/apps/prune_fixture.h"
#include "tests/apps/records.h"

namespace trifold::apps_test {
namespace {

TEST_F(Prune, RunsAllStagesWithinTheTarget) {
  const fs::path out = folder / "run";
  const Result result = run_program("prune", arguments("run", out));
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* file :
       {"model.safetensors", "pruned.safetensors", "report.html", "report.md", "report.json",
        "summary.csv", "metrics.jsonl", "config.toml", "tensorboard/finetune/metrics.tfevents"}) {
    EXPECT_TRUE(fs::exists(out / file)) << file;
  }
  const auto steps = steps_of(out);
  const double original = steps.at("apply").at("original").at("macs").get<double>();
  const double pruned = steps.at("finetune").at("finetuned").at("macs").get<double>();
  EXPECT_LE(pruned, 0.5 * original);
  EXPECT_GT(pruned, 0.3 * original);

  const auto told = nlohmann::json::parse(read_text(out / "report.json"));
  EXPECT_EQ(told.at("predictor").at("family"), steps.at("fit").at("family"));
  EXPECT_EQ(told.at("predictor").at("degree"), steps.at("fit").at("data").at("degree"));
  std::vector<std::string> stages;
  double seconds = 0;
  for (const auto& stage : told.at("stages")) {
    stages.push_back(stage.at("stage"));
    seconds += stage.at("seconds").get<double>();
    EXPECT_GT(stage.at("seconds").get<double>(), 0.0) << stages.back();
  }
  EXPECT_EQ(stages, (std::vector<std::string>{"plan", "sparsify", "collect", "fit", "solve",
                                              "apply", "finetune", "report"}));
  EXPECT_NEAR(told.at("duration_seconds").get<double>(), seconds, 1e-9);

  const Result inspected = run_program("inspect", {(out / "model.safetensors").string(), "--json"});
  ASSERT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_EQ(nlohmann::json::parse(inspected.out).at("macs").get<double>(), pruned);

  const Result again = run_program("prune", arguments("run", out));
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(one_error(again, "--resume")) << again.err;
  // The run folder knows the options.
  const Result report = run_program("prune", {"report", "--out", out.string()});
  EXPECT_EQ(report.code, 0) << report.err;
  EXPECT_NE(report.out.find("fine-tuned"), std::string::npos) << report.out;
  const auto later = nlohmann::json::parse(read_text(out / "report.json"));
  EXPECT_EQ(later.at("stages").at(2), told.at("stages").at(2)) << "the time of collecting stays";
  EXPECT_GT(later.at("duration_seconds").get<double>(), seconds);
  const Result other = run_program("prune", arguments("run", out, {"--resume", "--seed", "9"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "seed")) << other.err;
}

TEST_F(Prune, RefusesToGoOnWithOtherImages) {
  const fs::path out = folder / "run";
  ASSERT_EQ(run_program("prune", arguments("plan", out)).code, 0);
  const fs::path file = folder / "cifar" / "data_batch_2.bin";
  std::string images = read_text(file);
  images[100] = static_cast<char>(images[100] ^ 1);
  write_text(file, images);
  const Result result = run_program("prune", {"collect", "--out", out.string()});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(one_error(result, "other training images")) << result.err;
}

TEST_F(Prune, NoticesThatAFileHasChanged) {
  const fs::path out = folder / "run";
  ASSERT_EQ(run_program("prune", arguments("run", out)).code, 0);
  const auto summary = [&] { return run_program("prune", {"report", "--out", out.string()}); };
  // Weights that predict another class for every image.
  const fs::path file = out / "model.safetensors";
  engine::SafetensorsFile model = engine::read_safetensors(file);
  std::ranges::fill(model.tensors.at("linear.weight").bytes, std::byte{0});
  engine::write_safetensors(file, model.metadata, model.tensors);
  const Result spoilt = summary();
  EXPECT_EQ(spoilt.code, 6);
  EXPECT_TRUE(one_error(spoilt, file.string())) << spoilt.err;

  // Another network under the name of the one that the run began with.
  const Result trained =
      run_program("train", {"--arch", "resnet14", "--data", data, "--epochs", "1", "--batch", "6",
                            "--threads", "1", "--seed", "5", "--out", (folder / "other").string()});
  ASSERT_EQ(trained.code, 0) << trained.err;
  fs::copy_file(folder / "other" / "model.safetensors", model_file,
                fs::copy_options::overwrite_existing);
  const Result other = summary();
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "give that file as --model")) << other.err;
}

TEST_F(Prune, MeetsTheTargetAlongOneDimensionAlone) {
  const std::vector<std::vector<std::string>> runs = {
      {"--dimensions", "depth", "--target", "0.6"},
      {"--dimensions", "width", "--round-to", "1"},
      {"--dimensions", "width", "--width", "inner", "--rounds", "3"},
      {"--dimensions", "resolution", "--cost", "paper"},
      {"--dimensions", "depth,width", "--cost", "params", "--round-to", "1"}};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const fs::path out = folder / ("run" + std::to_string(i));
    const Result result = run_program("prune", arguments("run", out, runs[i]));
    ASSERT_EQ(result.code, 0) << i << ": " << result.err;
    const auto steps = steps_of(out);
    const auto& chosen = steps.at("solve").at("candidates").at(0);
    EXPECT_LE(chosen.at("cost").get<double>(), i == 0 ? 0.6 : 0.5) << i;
    EXPECT_GT(chosen.at("cost").get<double>(), 0.3) << i;
  }
}

TEST_F(Prune, RoundsAndSparesChannelsAsAsked) {
  const fs::path out = folder / "run";
  const Result result =
      run_program("prune", arguments("run", out,
                                     {"--round-to", "8", "--dimensions", "width", "--exclude",
                                      "layer3.*", "--target", "0.7", "--width", "inner"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Result inspected = run_program("inspect", {(out / "model.safetensors").string(), "--json"});
  ASSERT_EQ(inspected.code, 0) << inspected.err;
  const auto layers = nlohmann::json::parse(inspected.out).at("layers");
  std::set<std::int64_t> early;
  for (const auto& layer : layers) {
    const std::string name = layer.at("name");
    if (layer.at("op") != "conv2d" || !name.ends_with("conv1") || name == "conv1") continue;
    const auto filters = layer.at("output").at(2).get<std::int64_t>();
    EXPECT_EQ(filters % 8, 0) << name;
    if (name.starts_with("layer3")) {
      EXPECT_EQ(filters, 64) << name;
    } else {
      early.insert(filters);
    }
  }
  EXPECT_TRUE(early.contains(8) || early.contains(24)) << "nothing was pruned";

  const Result lanes =
      run_program("prune", arguments("plan", folder / "auto", {"--round-to", "auto"}));
  ASSERT_EQ(lanes.code, 0) << lanes.err;
  EXPECT_EQ(settings_of(folder / "auto").at("round_to").get<std::int64_t>() % 4, 0);
  const Result none =
      run_program("prune", arguments("plan", folder / "none", {"--include", "layer9.*"}));
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(one_error(none, "layer1.0.conv1")) << none.err;
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
  EXPECT_EQ(steps_of(whole), steps_of(killed));
}

TEST_F(Prune, ADivergedTrainingEndsTheRunAndNamesItsRate) {
  for (const std::string flag : {"--round-lr", "--finetune-lr"}) {
    const fs::path out = folder / ("run" + flag);
    const Result result =
        run_program("prune", arguments("run", out, {flag, "1e9", "--dimensions", "depth"}));
    EXPECT_EQ(result.code, 5) << flag;
    EXPECT_TRUE(one_error(result, "; lower " + flag)) << result.err;
    EXPECT_FALSE(fs::exists(out / "model.safetensors")) << flag;
    EXPECT_EQ(fs::exists(out / "pruned.safetensors"), flag == "--finetune-lr");
  }
}

TEST_F(Prune, KeepsTheAverageWhereOneIsAskedFor) {
  const fs::path out = folder / "run";
  // The checkpoint of the fine-tuning stays where its result can't be written.
  fs::create_directories(out / "model.safetensors");
  const std::vector<std::string> asked = {"--resume", "--ema", "0.9", "--dimensions", "resolution"};
  const Result failed = run_program("prune", arguments("run", out, asked));
  ASSERT_EQ(failed.code, 1) << failed.err;
  const engine::SafetensorsFile last =
      engine::read_safetensors(out / "checkpoints/finetune.safetensors");
  fs::remove(out / "model.safetensors");
  const Result result = run_program("prune", arguments("run", out, asked));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(fs::is_empty(out / "checkpoints"));
  const engine::SafetensorsFile model = engine::read_safetensors(out / "model.safetensors");
  const auto values = [](const engine::Tensor& t) {
    return std::vector<float>(t.values().begin(), t.values().end());
  };
  for (const char* name : {"bn1.weight", "bn1.bias", "linear.bias"}) {
    EXPECT_EQ(values(model.floats(name)), values(last.floats(std::string("average.") + name)));
    EXPECT_NE(values(model.floats(name)), values(last.floats(std::string("network.") + name)));
  }
  const Result other = run_program(
      "prune", arguments("run", out, {"--resume", "--ema", "0.5", "--dimensions", "resolution"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "ema")) << other.err;
}

TEST_F(Prune, AFullDiskIsAFailureThatNamesTheFile) {
  const fs::path out = folder / "small";
  fs::create_directories(out);
  if (mount("tmpfs", out.c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  const Result result = run_program("prune", arguments("run", out));
  umount(out.c_str());
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(one_error(result, (out / "checkpoints/collect-original-0").string())) << result.err;
}

TEST(PrunePromise, WhatThePlanSaysCanBeMetIsMet) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const fs::path model = folder / "train" / "model.safetensors";
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "train", {"--epochs", "1"})).code, 0);
  int runs = 0;
  const auto prune = [&](const std::string& stage, const std::vector<std::string>& more) {
    const fs::path out = folder / (stage + std::to_string(++runs));
    const Result result = run_program("prune", tiny_pruning(stage, model, data, out, more));
    nlohmann::json steps;
    if (fs::exists(out / "steps")) steps = steps_of(out);
    return std::pair(result, steps);
  };
  // The shallowest, narrowest or smallest network alone is just within the target, dimensions have
  // no options, or points are few.
  const std::vector<std::vector<std::string>> met = {{"--dimensions", "depth,resolution"},
                                                     {"--floor", "1"},
                                                     {"--exclude", "*"},
                                                     {"--round-to", "64"},
                                                     {"--floor", "0", "--rounds", "2"},
                                                     {"--rounds", "1"}};
  for (const std::vector<std::string>& more : met) {
    SCOPED_TRACE(more[0] + " " + more[1]);
    const auto [result, steps] = prune("run", more);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_LE(steps.at("solve").at("candidates").at(0).at("cost").get<double>(), 0.5);
    const double original = steps.at("apply").at("original").at("macs").get<double>();
    EXPECT_LE(steps.at("finetune").at("finetuned").at("macs").get<double>(), 0.5 * original);
    // What was planned was collected, and nothing else: no point twice.
    std::set<std::array<double, 3>> places;
    std::size_t points = 0;
    for (const auto& [step, point] : steps.items()) {
      if (!step.starts_with("collect/")) continue;
      ++points;
      places.insert(
          {point.at("d").get<double>(), point.at("w").get<double>(), point.at("r").get<double>()});
    }
    const auto& planned = steps.at("plan").at("points");
    EXPECT_EQ(points, 1 + planned.at("depth").size() + planned.at("width").size() +
                          planned.at("resolution").size());
    EXPECT_EQ(places.size(), points);
  }
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--dimensions", "depth"},
                                             {"--dimensions", "width", "--floor", "1"},
                                             {"--dimensions", "resolution", "--cost", "params"}}) {
    SCOPED_TRACE(more[1]);
    const auto [result, steps] = prune("run", more);
    EXPECT_EQ(result.code, 4);
    EXPECT_TRUE(steps.empty()) << steps.dump();
    EXPECT_TRUE(one_error(result, "can't be met")) << result.err;
  }
  const auto [result, steps] = prune("run", {"--predictor", "rank2-degree3"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(one_error(result, "--predictor")) << result.err;
  EXPECT_TRUE(steps.empty()) << steps.dump();
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
