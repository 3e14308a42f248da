/// Trainings that diverge: they end, or go back and on at a lower rate.
#include "apps/cli/rollback.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/runtime/error_types.h"
#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

using nlohmann::json;

struct Rollbacks : testing::Test {
  TempFolder folder;
  std::string data = tiny_idx(folder);

  // At such a rate products overflow in the first epoch; halved often enough, it trains.
  std::vector<std::string> words(const std::string& out,
                                 const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"--lr",     "1e6", "--schedule", "constant",
                                    "--epochs", "3",   "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return tiny_training(data, folder / out, all);
  }
};

TEST_F(Rollbacks, AreMadeOnlyWhereTheyAreAskedFor) {
  const Result stopped = run_program("train", words("stopped"));
  EXPECT_EQ(stopped.code, 5) << stopped.err;
  EXPECT_TRUE(one_error(stopped, "lower --lr")) << stopped.err;
  EXPECT_FALSE(fs::exists(folder / "stopped/model.safetensors"));
  EXPECT_FALSE(fs::exists(folder / "stopped/rollback.safetensors"));
}

TEST_F(Rollbacks, EndAfterAsManyAsAreAllowed) {
  const Result result =
      run_program("train", words("out", {"--on-divergence", "rollback", "--rollbacks", "2"}));
  EXPECT_EQ(result.code, 5) << result.err;
  EXPECT_TRUE(one_error(result, "after 2 rollbacks")) << result.err;
  EXPECT_NE(result.err.find("rollback 2 of 2"), std::string::npos) << result.err;
}

TEST_F(Rollbacks, GoOnAtALowerRateAndWithTheSameBitsAfterAStop) {
  const std::vector<std::string> asked = {"--on-divergence", "rollback", "--rollbacks", "32"};
  const Result whole = run_program("train", words("whole", asked));
  ASSERT_EQ(whole.code, 0) << whole.err;
  const int rollbacks = json::parse(whole.out).at("rollbacks");
  EXPECT_GT(rollbacks, 0);
  // Every epoch's rate is the asked one, halved so often as it was rolled back by then.
  std::istringstream lines(read_text(folder / "whole/metrics.jsonl"));
  double last = 0;
  for (std::string line; std::getline(lines, line);) {
    last = json::parse(line).at("lr");
    int exponent = 0;
    EXPECT_EQ(std::frexp(last / 1e6, &exponent), 0.5) << line;
  }
  EXPECT_EQ(last, std::ldexp(1e6, -rollbacks));
  EXPECT_FALSE(fs::exists(folder / "whole/rollback.safetensors"));
  const Result described =
      run_program("inspect", {(folder / "whole/model.safetensors").string(), "--json"});
  EXPECT_EQ(json::parse(described.out).at("provenance").at(0).at("rollbacks"), rollbacks);

  // Stopped after every batch.
  std::vector<std::string> again = asked;
  again.insert(again.end(), {"--resume", "--time-limit", "0.0000001"});
  Result parts;
  int stops = 0;
  do parts = run_program("train", words("parts", again));
  while (parts.code == 75 && ++stops < 200);
  ASSERT_EQ(parts.code, 0) << parts.err;
  EXPECT_GT(stops, 3);
  for (const char* file : {"model.safetensors", "summary.csv"}) {
    EXPECT_EQ(read_text(folder / "whole" / file), read_text(folder / "parts" / file)) << file;
  }
}

TEST_F(Rollbacks, MendARunThatHasStoppedByItself) {
  ASSERT_EQ(run_program("train", words("out")).code, 5);
  const Result result = run_program(
      "train", words("out", {"--resume", "--on-divergence", "rollback", "--rollbacks", "32"}));
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(Rollbacks, OfPruneAreInItsReport) {
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "model", {"--epochs", "1"})).code, 0);
  const std::vector<std::string> run =
      tiny_pruning("run", folder / "model" / "model.safetensors", data, folder / "out",
                   {"--dimensions", "width", "--finetune-epochs", "2", "--finetune-lr", "1e6",
                    "--heal-epochs", "0", "--held-out", "8"});
  const Result stopped = run_program("prune", run);
  EXPECT_EQ(stopped.code, 5) << stopped.err;
  std::vector<std::string> asked = run;
  asked.insert(asked.end(), {"--resume", "--on-divergence", "rollback", "--rollbacks", "32"});
  const Result result = run_program("prune", asked);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("finetune: "), std::string::npos) << result.err;
  const std::string report = read_text(folder / "out/report.md");
  EXPECT_NE(report.find("The training of the step finetune diverged"), std::string::npos) << report;
  EXPECT_FALSE(fs::exists(folder / "out/checkpoints/finetune.rollback.safetensors"));
}

TEST(RollbackRule, ASpikeIsOverTwiceTheLeastAndMore) {
  const apps::Rollback asked({.action = "rollback"}, "unused"), not_asked({}, "unused");
  const auto epoch = [](double loss) { return nn::EpochResult{2, loss, 0, 0, 0}; };
  EXPECT_NO_THROW(asked.refuse_spike(epoch(5.0), 2.0));
  EXPECT_THROW(asked.refuse_spike(epoch(5.01), 2.0), DivergedError);
  EXPECT_NO_THROW(asked.refuse_spike(epoch(0.9), 0.01));
  EXPECT_THROW(asked.refuse_spike(epoch(1.03), 0.01), DivergedError);
  EXPECT_NO_THROW(asked.refuse_spike(epoch(1e30), INFINITY));  // the first epoch
  EXPECT_EQ(apps::untrained_loss(4, {}), std::log(4.0));
  EXPECT_NO_THROW(not_asked.refuse_spike(epoch(5.01), 2.0));
}

}  // namespace
}  // namespace trifold::apps_test
