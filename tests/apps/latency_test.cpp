/// prune with measured latency as its cost, and targets that are amounts.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/prune/options.h"
#include "kernels/runtime/error.h"
#include "tests/apps/programs.h"
#include "tests/apps/records.h"

namespace trifold::apps_test {
namespace {

struct PruneLatency : testing::Test {
  TempFolder folder;
  std::string data = tiny_cifar(folder);
  fs::path model = folder / "train" / "model.safetensors";

  void SetUp() override {
    ASSERT_EQ(run_program("train", tiny_training(data, folder / "train", {"--epochs", "1"})).code,
              0);
  }

  Result prune(const std::string& stage, const std::string& out,
               const std::vector<std::string>& more = {}) const {
    std::vector<std::string> own = {
        "--cost",     "latency", "--dimensions", "width,resolution", "--resolution-step", "8",
        "--round-to", "8"};
    own.insert(own.end(), more.begin(), more.end());
    return run_program("prune", tiny_pruning(stage, model, data, folder / out, own));
  }
  nlohmann::json steps(const std::string& out) const { return steps_of(folder / out); }
};

TEST_F(PruneLatency, MeasuresOnceAndGoesOnWithTheSameTimes) {
  const std::string table = (folder / "table.sqlite").string();
  const std::vector<std::string> shared = {"--target", "0.8", "--latency-table", table};
  const Result first = prune("plan", "a", shared);
  ASSERT_EQ(first.code, 0) << first.err;
  const nlohmann::json plan = steps("a").at("plan");
  const nlohmann::json& record = plan.at("latency");
  EXPECT_GT(record.at("measured").get<int>(), 5);
  EXPECT_GT(record.at("original_s").get<double>(), 0.0);
  EXPECT_NE(first.err.find("the original takes"), std::string::npos) << first.err;

  // Another run finds all of it in the table, and its costs are the same.
  const Result second = prune("plan", "b", shared);
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(steps("b").at("plan").at("latency").at("measured"), 0);
  for (const char* name : {"smallest", "middle", "original"}) {
    EXPECT_EQ(steps("b").at("plan").at(name), plan.at(name));
  }

  // The run folder has what it needs, whatever becomes of the table.
  fs::remove(table);
  const Result rest = prune("run", "b", {"--target", "0.8", "--resume"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_LE(steps("b").at("solve").at("candidates").at(0).at("cost").get<double>(), 0.8);
  EXPECT_NE(read_text(folder / "b" / "report.md").find("Latency in batches of 1"),
            std::string::npos);

  // Without its times a run doesn't go on, nor with those of another number of threads.
  const Result threads = prune("collect", "a", {"--target", "0.8", "--threads", "2"});
  EXPECT_EQ(threads.code, 2);
  EXPECT_TRUE(one_error(threads, "2 threads")) << threads.err;
  fs::remove(folder / "a" / "latency.sqlite");
  const Result lost = prune("collect", "a", {"--target", "0.8"});
  EXPECT_EQ(lost.code, 2);
  EXPECT_TRUE(one_error(lost, "not the times")) << lost.err;
}

TEST_F(PruneLatency, NamesTablesThatCannotBeUsed) {
  write_text(folder / "damaged", std::string(5000, 'x'));
  const Result damaged = prune("plan", "a", {"--latency-table", (folder / "damaged").string()});
  EXPECT_EQ(damaged.code, 3);
  EXPECT_TRUE(one_error(damaged, (folder / "damaged").string())) << damaged.err;
  EXPECT_EQ(read_text(folder / "damaged").size(), 5000u);
  const Result nowhere = prune("plan", "b", {"--latency-table", (folder / "none" / "t").string()});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_TRUE(one_error(nowhere, (folder / "none" / "t").string())) << nowhere.err;
}

TEST_F(PruneLatency, TakesTimesAndCountsAsTargets) {
  const Result far = prune("plan", "a", {"--target", "1000s"});
  EXPECT_EQ(far.code, 2);
  EXPECT_TRUE(one_error(far, "--target is '1000s'")) << far.err;
  const Result none = prune("plan", "b", {"--target", "0.001us"});
  EXPECT_EQ(none.code, 4);
  EXPECT_TRUE(one_error(none, "can't be met")) << none.err;
  // The fraction that an amount comes to stays the same in later stages.
  const Result plain = prune("plan", "c", {"--target", "0.8"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  fs::create_directories(folder / "d");
  fs::copy_file(folder / "c" / "latency.sqlite", folder / "d" / "latency.sqlite");
  const double original = steps("c").at("plan").at("latency").at("original_s").get<double>();
  const std::string amount = std::to_string(0.9 * original * 1e6) + "us";
  const Result timed = prune("plan", "d", {"--target", amount});
  ASSERT_EQ(timed.code, 0) << timed.err;
  EXPECT_NEAR(steps("d").at("plan").at("target").get<double>(), 0.9, 1e-3);
  EXPECT_EQ(run_program("prune", {"collect", "--out", (folder / "d").string()}).code, 0);

  // ResNet-8 has 12.5 million multiply-accumulates.
  const Result counted = prune("plan", "e", {"--cost", "macs", "--target", "10M"});
  ASSERT_EQ(counted.code, 0) << counted.err;
  EXPECT_LE(steps("e").at("plan").at("smallest").at("macs").get<double>(), 10e6);
  const Result more = prune("plan", "f", {"--cost", "macs", "--target", "1G"});
  EXPECT_EQ(more.code, 2);
  EXPECT_TRUE(one_error(more, "--target is '1G'")) << more.err;
}

TEST(Target, IsAShareOrAnAmountOfWhatTheCostCounts) {
  using apps::parse_target;
  for (const std::string cost : {"macs", "params", "paper", "latency"}) {
    EXPECT_EQ(parse_target("0.25", cost).value, 0.25);
    EXPECT_EQ(parse_target("4x", cost).value, 0.25);
    EXPECT_TRUE(parse_target("4X", cost).is_share);
  }
  EXPECT_EQ(parse_target("20M", "macs").value, 20e6);
  EXPECT_EQ(parse_target("100k", "params").value, 100e3);
  EXPECT_EQ(parse_target("1.5G", "macs").value, 1.5e9);
  EXPECT_DOUBLE_EQ(parse_target("3.5ms", "latency").value, 3.5e-3);
  EXPECT_DOUBLE_EQ(parse_target("900us", "latency").value, 900e-6);
  EXPECT_FALSE(parse_target("2s", "latency").is_share);
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"20M", "latency"},   {"3ms", "macs"},   {"3ms", "params"}, {"1G", "paper"},
      {"", "macs"},         {"M", "macs"},     {"0M", "macs"},    {"-1ms", "latency"},
      {"infms", "latency"}, {"nanM", "macs"},  {"0", "macs"},     {"1", "macs"},
      {"1x", "macs"},       {"0x", "macs"},    {"nan", "macs"},   {"5m", "latency"},
      {"20 M", "macs"},     {"1e999M", "macs"}};
  for (const auto& [text, cost] : wrong) {
    EXPECT_THROW(parse_target(text, cost), ConfigError) << text << " " << cost;
  }
  EXPECT_DOUBLE_EQ(apps::share_of({20e6, false}, 40e6, "20M"), 0.5);
  EXPECT_THROW(apps::share_of({40e6, false}, 40e6, "40M"), ConfigError);
}

}  // namespace
}  // namespace trifold::apps_test
