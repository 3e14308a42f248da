/// Run folders of the form that kept all steps in journal.json go on.
#include <gtest/gtest.h>

#include "tests/apps/prune_fixture.h"
#include "tests/apps/records.h"

namespace trifold::apps_test {
namespace {

using nlohmann::json;

struct OldJournals : Prune {
  // Makes the folder as such a run would have left it.
  static void make_old(const fs::path& run) {
    const json steps = fs::exists(run / "steps") ? steps_of(run) : json::object();
    json sums = json::object();
    for (const auto& [step, result] : steps.items()) sums[step] = checksum_of(step, result);
    write_text(run / "journal.json",
               json{{"settings", settings_of(run)}, {"steps", steps}, {"crc32", sums}}.dump(1));
    fs::remove_all(run / "steps");
  }
  Result prune(const std::string& stage, const fs::path& out,
               const std::vector<std::string>& more = {}) const {
    return run_program("prune", arguments(stage, out, more));
  }
};

TEST_F(OldJournals, GoOnWhereTheyWere) {
  const fs::path whole = folder / "whole", out = folder / "run";
  const std::vector<std::string> depth = {"--dimensions", "depth"};
  ASSERT_EQ(prune("run", whole, depth).code, 0);
  ASSERT_EQ(prune("plan", out, depth).code, 0);
  ASSERT_EQ(prune("sparsify", out, depth).code, 0);
  ASSERT_EQ(prune("collect", out, {"--dimensions", "depth", "--time-limit", "0.00001"}).code, 75);
  const fs::path checkpoint = out / "checkpoints/collect-original-0.safetensors";
  const std::string bytes = read_text(checkpoint);
  ASSERT_FALSE(bytes.empty());
  fs::rename(checkpoint, out / "checkpoint.safetensors");
  fs::remove(out / "checkpoints");
  make_old(out);
  // Killed after it has written a step.
  fs::create_directory(out / "steps");
  fs::copy(whole / "steps/plan.json", out / "steps");
  const Result plan = prune("plan", out, depth);
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_EQ(read_text(checkpoint), bytes);
  EXPECT_FALSE(fs::exists(out / "checkpoint.safetensors"));
  const json journal = json::parse(read_text(out / "journal.json"));
  EXPECT_EQ(journal.size(), 1U);
  EXPECT_EQ(journal.at("settings"), settings_of(whole));
  const Result rest = prune("run", out, {"--dimensions", "depth", "--resume"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(steps_of(out), steps_of(whole));
  EXPECT_EQ(read_text(out / "model.safetensors"), read_text(whole / "model.safetensors"));

  // A finished one has nothing left to do.
  make_old(out);
  fs::copy(out / "model.safetensors", out / "checkpoint.safetensors");
  const Result damaged = prune("report", out);
  EXPECT_EQ(damaged.code, 3) << damaged.err;
  EXPECT_TRUE(one_error(damaged, (out / "checkpoint.safetensors").string())) << damaged.err;
  fs::remove(out / "checkpoint.safetensors");
  EXPECT_EQ(prune("report", out).code, 0);
  EXPECT_EQ(steps_of(out), steps_of(whole));
}

TEST_F(OldJournals, ThatAreDamagedAreRefusedAndStay) {
  const fs::path out = folder / "run";
  ASSERT_EQ(prune("plan", out).code, 0);
  make_old(out);
  const std::string good = read_text(out / "journal.json");
  const auto refuse = [&](const json& journal, const std::string& part) {
    write_text(out / "journal.json", journal.dump());
    const Result result = prune("plan", out);
    EXPECT_EQ(result.code, 3) << result.err;
    EXPECT_TRUE(one_error(result, (out / "journal.json").string())) << result.err;
    EXPECT_TRUE(one_error(result, part)) << result.err;
    EXPECT_EQ(read_text(out / "journal.json"), journal.dump());
  };
  const json whole = json::parse(good);
  json altered = whole;
  altered["steps"]["plan"]["target"] = 0.25;
  refuse(altered, "'plan'");
  altered = whole;
  altered["steps"].erase("plan");
  refuse(altered, "'plan'");
  for (const char* name : {"../escaped", "", "a b"}) {
    altered = whole;
    altered["steps"][name] = 1;
    altered["crc32"][name] = checksum_of(name, 1);
    refuse(altered, "no such step");
  }
  for (const char* part : {"settings", "steps", "crc32"}) {
    altered = whole;
    altered[part] = 3;
    refuse(altered, part);
  }
  EXPECT_FALSE(fs::exists(folder / "escaped.json"));
  EXPECT_FALSE(fs::exists(out / "steps"));
}

// Whoever joins can't know whether others are at work in it.
TEST_F(OldJournals, AreNotJoined) {
  const fs::path out = folder / "run";
  ASSERT_EQ(prune("plan", out).code, 0);
  make_old(out);
  const Result result = prune("collect", out, {"--worker"});
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_TRUE(one_error(result, "run 'prune plan' on it first")) << result.err;
}

}  // namespace
}  // namespace trifold::apps_test
