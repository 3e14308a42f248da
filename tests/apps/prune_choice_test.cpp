/// What decides in prune beside the budget on the cost: a loss that is allowed, speed, images of their
/// own, hours; and what the same points would have chosen otherwise.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/prune/budget.h"
#include "kernels/runtime/error.h"
#include "nn/data/source.h"
#include "nn/io/model_file.h"
#include "tests/apps/prune_fixture.h"
#include "tests/apps/records.h"
#include "tests/nn/excited_network.h"

namespace trifold::apps_test {
namespace {

// Between a squeeze and its excitation no batch norm tells which channels matter.
TEST_F(Prune, TellsWhichChannelsItsCriterionCannotJudge) {
  nn::Model model{nn::Network(nn::excited_residuals()),
                  {.arch = "excited",
                   .side = 32,
                   .data_side = 32,
                   .normalisation = {{0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f}},
                   .class_names = nn::load_data(data).train.class_names,
                   .original_channels = {}}};
  nn::initialise(model.network, 1);
  model_file = folder / "excited.safetensors";
  nn::save_model(model_file, model);
  const Result by_norms = run_program("prune", arguments("plan", folder / "norms"));
  ASSERT_EQ(by_norms.code, 0) << by_norms.err;
  EXPECT_NE(by_norms.err.find("the channels of 3 layers stay, the first of them 'blocks.0.fc1'"),
            std::string::npos)
      << by_norms.err;
  const Result by_weights =
      run_program("prune", arguments("plan", folder / "weights", {"--criterion", "l1"}));
  ASSERT_EQ(by_weights.code, 0) << by_weights.err;
  EXPECT_EQ(by_weights.err.find("stay"), std::string::npos) << by_weights.err;
}

TEST_F(Prune, FindsTheCheapestNetworkWithinALoss) {
  const fs::path out = folder / "run";
  // All the accuracy there is may go: the cheapest network of the space will do.
  const Result all = run_program("prune", arguments("run", out, {"--max-drop", "100", "--onnx"}));
  ASSERT_EQ(all.code, 0) << all.err;
  EXPECT_TRUE(fs::exists(out / "model.onnx"));
  const nlohmann::json steps = steps_of(out);
  EXPECT_DOUBLE_EQ(steps.at("solve").at("budget").get<double>(),
                   steps.at("plan").at("smallest").at("ratio").get<double>());
  EXPECT_NE(all.err.find("is predicted to lose at most 100 points"), std::string::npos) << all.err;

  // What is found is predicted to lose no more than it may; more may go for more.
  double before = 1;
  for (const char* drop : {"0.5", "5"}) {
    nlohmann::json settings = settings_of(out);
    settings.at("max_drop") = std::stod(drop);
    const fs::path other = folder / drop;
    fs::copy(out, other, fs::copy_options::recursive);
    for (const char* step : {"solve", "apply", "finetune", "finetune/heal"}) {
      fs::remove(record_of(other, step));
    }
    write_text(other / "journal.json", nlohmann::json{{"settings", settings}}.dump());
    const Result result = run_program("prune", arguments("solve", other, {"--max-drop", drop}));
    ASSERT_EQ(result.code, 0) << result.err;
    const nlohmann::json solved = steps_of(other).at("solve");
    EXPECT_LE(solved.at("budget").get<double>(), before);
    before = solved.at("budget").get<double>();
    EXPECT_LE(solved.at("candidates").at(0).at("cost").get<double>(), before + 1e-12);
  }
}

TEST_F(Prune, GivesPredictedAccuracyForMeasuredSpeed) {
  const fs::path out = folder / "run";
  for (const char* stage : {"plan", "sparsify", "collect", "fit", "solve"}) {
    const Result result =
        run_program("prune", arguments(stage, out, {"--trade", "100", "--latency-batch", "4"}));
    ASSERT_EQ(result.code, 0) << result.err;
  }
  const nlohmann::json candidates = steps_of(out).at("solve").at("candidates");
  ASSERT_GT(candidates.size(), 1u);
  for (const auto& c : candidates) {
    EXPECT_GE(c.at("time").get<double>(), candidates.at(0).at("time").get<double>());
  }
  // Behind it the others keep their order.
  for (std::size_t i = 2; i < candidates.size(); ++i) {
    EXPECT_LE(candidates.at(i).at("predicted"), candidates.at(i - 1).at("predicted"));
  }
}

TEST_F(Prune, DecidesOnImagesOfTheirOwn) {
  const fs::path out = folder / "run";
  std::vector<std::string> words = arguments("run", out, {"--validation", data});
  const Result twice = run_program("prune", words);
  EXPECT_EQ(twice.code, 2);
  EXPECT_TRUE(one_error(twice, "leave out --held-out")) << twice.err;
  words.erase(std::ranges::find(words, "--held-out"), std::ranges::find(words, "--held-out") + 2);
  const Result result = run_program("prune", words);
  ASSERT_EQ(result.code, 0) << result.err;
  // Those of its test set, which here is the test set itself.
  const nlohmann::json finetuned = steps_of(out).at("finetune").at("finetuned");
  EXPECT_EQ(finetuned.at("held_out"), finetuned.at("test"));
  EXPECT_NE(read_text(out / "report.md").find("20 images of a set of their own"),
            std::string::npos);

  // Other images are another run.
  fs::create_directories(folder / "other");
  fs::copy(folder / "cifar", folder / "other" / "cifar", fs::copy_options::recursive);
  std::string bytes = read_text(folder / "other" / "cifar" / "test_batch.bin");
  bytes.back() = static_cast<char>(bytes.back() + 1);
  write_text(folder / "other" / "cifar" / "test_batch.bin", bytes);
  const Result other = run_program("prune", {"solve", "--out", out.string(), "--validation",
                                             "cifar10:" + (folder / "other" / "cifar").string()});
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "other validation images; give the same --validation")) << other.err;
}

TEST_F(Prune, JudgesBlocksAgainAndReportsThem) {
  const fs::path out = folder / "run";
  const Result result = run_program(
      "prune", arguments("run", out, {"--probe-seeds", "2", "--reprobe", "--rounds", "3"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json plan = steps_of(out).at("plan");
  const auto importance = plan.at("importance").get<std::vector<double>>();
  EXPECT_EQ(plan.at("importance_spread").size(), importance.size());
  // Three of the six can go, one after the other; no two are alike.
  std::vector<double> order = importance;
  std::ranges::sort(order);
  ASSERT_EQ(order.size(), 6u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(order[i], order[i + 1]);

  // The report has what was compared, once it was.
  ASSERT_EQ(run_program("prune",
                        {"compare", "--out", out.string(), "--methods", "random", "--seeds", "2"})
                .code,
            0);
  const Result again = run_program("prune", {"report", "--out", out.string()});
  ASSERT_EQ(again.code, 0) << again.err;
  const nlohmann::json report = nlohmann::json::parse(read_text(out / "report.json"));
  EXPECT_EQ(report.at("blocks").size(), importance.size());
  const nlohmann::json& row = report.at("comparison").at(0);
  EXPECT_EQ(row.at("method"), "random");
  EXPECT_EQ(row.at("trainings"), 2);
  EXPECT_GT(row.at("time").get<double>(), 0.0);
  EXPECT_TRUE(row.at("spread").is_number());

  const Result ablation = run_program("prune", {"ablate", "--out", out.string()});
  ASSERT_EQ(ablation.code, 0) << ablation.err;
  const std::string csv = read_text(out / "ablation.csv");
  for (const char* name : {"rank1-degree3", "2 points an axis", "depth-width"}) {
    EXPECT_NE(ablation.out.find(name), std::string::npos) << ablation.out;
    EXPECT_NE(csv.find(name), std::string::npos) << csv;
  }
}

TEST_F(Prune, MakesAScheduleOfHours) {
  const fs::path out = folder / "run";
  const Result planned = run_program("prune", arguments("plan", out, {"--budget", "0.01"}));
  ASSERT_EQ(planned.code, 0) << planned.err;
  const nlohmann::json schedule = steps_of(out).at("plan").at("schedule");
  EXPECT_GE(schedule.at("finetune_epochs").get<int>(), 1);
  EXPECT_NE(planned.err.find("--budget 0.01 allows"), std::string::npos) << planned.err;
  // Later stages keep it, whatever their speed.
  const Result collected = run_program("prune", {"collect", "--out", out.string()});
  ASSERT_EQ(collected.code, 0) << collected.err;
  EXPECT_EQ(steps_of(out).at("collect/original-0").at("curve").size(),
            schedule.at("round_epochs").get<std::size_t>());
  const Result none = run_program("prune", arguments("plan", folder / "b", {"--budget", "1e-9"}));
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(one_error(none, "--budget is 1e-09 hours")) << none.err;
  // Whether there is room for a warm-up is known when the epochs are.
  const Result warm = run_program(
      "prune",
      arguments("plan", folder / "c", {"--budget", "1", "--warmup", "1.5", "--round-epochs", "1"}));
  EXPECT_EQ(warm.code, 0) << warm.err;
  const Result hot =
      run_program("prune", arguments("plan", folder / "d", {"--budget", "1", "--warmup", "5000"}));
  EXPECT_EQ(hot.code, 2);
  EXPECT_TRUE(one_error(hot, "--warmup is 5000")) << hot.err;
}

TEST_F(Prune, FollowsLearningCurvesWhereAsked) {
  const fs::path out = folder / "run";
  const std::vector<std::string> flags = {"--dimensions", "resolution", "--extrapolate",
                                          "--finetune-epochs", "40"};
  std::vector<std::string> words = flags;
  words.insert(words.end(), {"--round-epochs", "5"});
  const Result result = run_program("prune", arguments("plan", out, words));
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* stage : {"sparsify", "collect", "fit"}) {
    const Result done = run_program("prune", {stage, "--out", out.string()});
    ASSERT_EQ(done.code, 0) << done.err;
  }
  const nlohmann::json steps = steps_of(out);
  const nlohmann::json& point = steps.at("collect/resolution-1");
  double least = 100;
  for (const nlohmann::json& epoch : point.at("curve")) {
    EXPECT_EQ(epoch.at("lr"), point.at("curve").at(0).at("lr"));
    least = std::min(least, epoch.at("held_out").get<double>());
  }
  EXPECT_GE(point.at("extrapolated").get<double>(), least);
  EXPECT_LE(point.at("extrapolated").get<double>(), 100);
  EXPECT_GE(point.at("deviation").get<double>(), 0);

  const Result few = run_program("prune", arguments("plan", folder / "few", flags));
  EXPECT_EQ(few.code, 2);
  EXPECT_TRUE(one_error(few, "--round-epochs is 1")) << few.err;
}

TEST_F(Prune, RanksThePointsByWhatTheRecipeMakesOfThem) {
  const fs::path out = folder / "run";
  ASSERT_EQ(run_program("prune", arguments("plan", out, {"--repeats", "1"})).code, 0);
  EXPECT_EQ(run_program("prune", {"rank", "--out", out.string()}).code, 2);
  for (const char* stage : {"sparsify", "collect", "rank"}) {
    const Result done = run_program("prune", {stage, "--out", out.string()});
    ASSERT_EQ(done.code, 0) << done.err;
  }
  const nlohmann::json steps = steps_of(out);
  std::size_t points = 0;
  for (const auto& [name, step] : steps.items()) {
    if (!name.starts_with("collect/") || name == "collect/original-1") continue;
    ++points;
    const nlohmann::json& ranked = steps.at("rank/" + name.substr(8));
    // The point's own structure, trained longer.
    EXPECT_EQ(ranked.at("macs"), step.at("macs")) << name;
    EXPECT_EQ(ranked.at("params"), step.at("params")) << name;
  }
  EXPECT_GE(points, 4u);
  const std::string csv = read_text(out / "rank.csv");
  EXPECT_EQ(std::ranges::count(csv, '\n'), static_cast<std::ptrdiff_t>(points + 1)) << csv;
  const Result again = run_program("prune", {"rank", "--out", out.string()});
  EXPECT_NE(again.out.find("after the point's training"), std::string::npos) << again.out;
  EXPECT_EQ(read_text(out / "rank.csv"), csv);

  const Result path =
      run_program("prune", arguments("plan", folder / "b", {"--path", "iterative"}));
  ASSERT_EQ(path.code, 0) << path.err;
  const Result refused = run_program("prune", {"rank", "--out", (folder / "b").string()});
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(one_error(refused, "--path one-shot")) << refused.err;
}

TEST(Schedule, SharesTheTimeOut) {
  using apps::schedule_for;
  const apps::Workload w{.seconds = 3600,
                         .train_seconds = 5e-3,
                         .taught_seconds = 7.5e-3,
                         .target = 0.5,
                         .points = 13,
                         .images = 50000,
                         .held_out = 5000,
                         .heal_epochs = 1};
  const apps::Schedule hour = schedule_for(w);
  EXPECT_EQ(hour.round_epochs, 1);
  // A third of an hour: 13 points of 3.75 ms an image, with 5,000 that are judged.
  EXPECT_EQ(hour.round_images, static_cast<std::int64_t>(1200 / (13 * 3.75e-3) - 5000));
  // The rest: epochs of 50,000 images at 5 ms, the first of which heals.
  EXPECT_EQ(hour.finetune_epochs, 8);
  apps::Workload longer = w;
  longer.seconds = 30 * 3600;
  const apps::Schedule day = schedule_for(longer);
  EXPECT_EQ(day.round_images, 0);
  EXPECT_EQ(day.round_epochs, 10);
  EXPECT_GT(day.finetune_epochs, 300);
  apps::Workload shorter = w;
  shorter.seconds = 300;
  EXPECT_THROW(schedule_for(shorter), ConfigError);
}

}  // namespace
}  // namespace trifold::apps_test
