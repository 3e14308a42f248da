/// Processes that train together: what comes of it doesn't depend on how many there are.
#include <gtest/gtest.h>

#include <future>
#include <sstream>

#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

using namespace std::chrono_literals;

struct RanksOfTrain : testing::Test {
  TempFolder folder;
  std::string data = tiny_idx(folder);

  std::vector<std::string> words(const std::string& out, const std::string& ranks,
                                 const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"--batch", "8", "--ranks", ranks, "--shards", "4"};
    all.insert(all.end(), more.begin(), more.end());
    return tiny_training(data, folder / out, all);
  }
  void expect_equal_runs(const std::string& a, const std::string& b) {
    EXPECT_FALSE(read_text(folder / a / "model.safetensors").empty());
    for (const char* file : {"model.safetensors", "checkpoint.safetensors", "summary.csv"}) {
      EXPECT_TRUE(read_text(folder / a / file) == read_text(folder / b / file)) << b << " " << file;
    }
  }
};

// The processes that `process` has started, and that still run.
std::vector<pid_t> children_of(pid_t process) {
  const std::string name = std::to_string(process);
  std::istringstream text(read_text("/proc/" + name + "/task/" + name + "/children"));
  std::vector<pid_t> children;
  for (pid_t child = 0; text >> child;) children.push_back(child);
  return children;
}

TEST_F(RanksOfTrain, MakeTheSameFilesHoweverManyTheyAre) {
  for (const char* ranks : {"1", "2", "4"}) {
    const Result result = run_program("train", words(ranks, ranks));
    ASSERT_EQ(result.code, 0) << result.err;
  }
  expect_equal_runs("1", "2");
  expect_equal_runs("1", "4");
  // Batch statistics are those of the shards.
  ASSERT_EQ(run_program("train", words("whole", "1", {"--shards", "0"})).code, 0);
  EXPECT_NE(read_text(folder / "1/model.safetensors"),
            read_text(folder / "whole/model.safetensors"));
}

TEST_F(RanksOfTrain, GoOnAfterAStopAsAnyNumber) {
  ASSERT_EQ(run_program("train", words("whole", "2")).code, 0);
  const Result stopped = run_program("train", words("parts", "4", {"--time-limit", "0.00001"}));
  ASSERT_EQ(stopped.code, 75) << stopped.err;
  const std::vector<std::string> resume = {"--out", (folder / "parts").string(), "--resume"};
  std::vector<std::string> again = resume;
  again.insert(again.end(), {"--ranks", "2", "--time-limit", "0.00001"});
  ASSERT_EQ(run_program("train", again).code, 75);
  std::vector<std::string> alone = resume;
  alone.insert(alone.end(), {"--ranks", "1"});
  const Result last = run_program("train", alone);
  ASSERT_EQ(last.code, 0) << last.err;
  expect_equal_runs("whole", "parts");
}

TEST_F(RanksOfTrain, EndWithAllOthersWhereOneIsKilled) {
  const std::vector<std::string> endless = words("run", "4", {"--epochs", "100000"});
  for (const std::size_t victim : {0, 2}) {
    std::vector<std::string> asked = endless;
    if (victim > 0) asked = {"--out", (folder / "run").string(), "--resume"};
    std::future<Result> run =
        std::async(std::launch::async, [&] { return run_program("train", asked); });
    std::vector<pid_t> others;
    // A run that goes on may not hold the folder yet.
    for (int i = 0; i < 2000 && others.size() < 3; ++i) {
      others = children_of(holder_of(folder / "run"));
      std::this_thread::sleep_for(10ms);
    }
    ASSERT_EQ(others.size(), 3u);
    kill(others[victim], SIGKILL);
    ASSERT_EQ(run.wait_for(20s), std::future_status::ready);
    const Result result = run.get();
    EXPECT_EQ(result.code, 75);
    EXPECT_TRUE(
        one_error(result, "signal 9 has ended rank " + std::to_string(victim + 1) + " of 4"))
        << result.err;
    EXPECT_NE(result.err.find("--resume"), std::string::npos) << result.err;
    for (const pid_t other : others) EXPECT_NE(kill(other, 0), 0) << other;
  }
}

TEST_F(RanksOfTrain, EndWhereOneHangsAndGoOnToTheSameBits) {
  const std::vector<std::string> epochs = {"--epochs", "60"};
  ASSERT_EQ(run_program("train", words("whole", "4", epochs)).code, 0);
  std::vector<std::string> asked = words("parts", "4", epochs);
  asked.insert(asked.end(), {"--rank-timeout", "2"});
  std::future<Result> run =
      std::async(std::launch::async, [&] { return run_program("train", asked); });
  const pid_t first = holder_of(folder / "parts");
  const std::vector<pid_t> others = children_of(first);
  ASSERT_EQ(others.size(), 3u);
  kill(others[2], SIGSTOP);  // rank 3, which rank 0 doesn't wait for itself
  const bool ended = run.wait_for(60s) == std::future_status::ready;
  if (!ended) {  // or nothing of this would
    for (const pid_t other : others) kill(other, SIGKILL);
    kill(first, SIGKILL);
  }
  const Result result = run.get();
  EXPECT_TRUE(ended);
  EXPECT_EQ(result.code, 75);
  EXPECT_TRUE(one_error(result, "rank 3 of 4 has not answered for 2 s, and had to be killed"))
      << result.err;
  EXPECT_NE(result.err.find("--resume"), std::string::npos) << result.err;
  for (const pid_t other : others) EXPECT_NE(kill(other, 0), 0) << other;
  EXPECT_FALSE(fs::exists(folder / "parts/model.safetensors"));
  const Result resumed =
      run_program("train", {"--out", (folder / "parts").string(), "--resume", "--ranks", "2"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  expect_equal_runs("whole", "parts");
}

TEST_F(RanksOfTrain, EndWithTheFirst) {
  std::future<Result> run = std::async(std::launch::async, [&] {
    return run_program("train", words("run", "2", {"--epochs", "100000"}));
  });
  const pid_t process = holder_of(folder / "run");
  const std::vector<pid_t> others = children_of(process);
  ASSERT_EQ(others.size(), 1u);
  kill(process, SIGKILL);
  EXPECT_EQ(run.get().code, 128 + SIGKILL);
  // Nobody of this program waits for it: what is left of it then is a zombie, or nothing.
  const std::string stat = "/proc/" + std::to_string(others[0]) + "/stat";
  const auto runs = [&] {
    const std::string text = read_text(stat);
    return !text.empty() && text.find(") Z ") == std::string::npos;
  };
  for (int i = 0; i < 2000 && runs(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_FALSE(runs());
}

TEST_F(RanksOfTrain, DivergeAndGoBackTogether) {
  const std::vector<std::string> asked = {
      "--lr", "1e6", "--schedule", "constant", "--on-divergence", "rollback", "--rollbacks", "32"};
  for (const char* ranks : {"1", "2"}) {
    const Result result = run_program("train", words(ranks, ranks, asked));
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.err.find("rollback 1 of 32"), std::string::npos) << result.err;
  }
  expect_equal_runs("1", "2");
  EXPECT_EQ(run_program("train", words("stopped", "2", {"--lr", "1e6"})).code, 5);
}

TEST_F(RanksOfTrain, AreRefusedWhereTheyDontFit) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--ranks", "3"}, "--ranks is 3; give 1, 2, 4, 8"},
      {{"--sync-statistics"}, "--sync-statistics takes two or more --ranks"},
      {{"--ranks", "2", "--sync-statistics"}, "and as many --shards; leave out --shards"},
      {{"--ranks", "2", "--shards", "3"}, "3 shards of a batch can't be dealt out equally to 2"},
      {{"--shards", "3"}, "a batch of 8 images can't be cut into 3 equal shards"},
      {{"--rank-timeout", "60"}, "--rank-timeout is for two or more --ranks"},
      {{"--ranks", "2", "--rank-timeout", "0"}, "--rank-timeout: Value 0 not in range"}};
  for (const auto& [more, sentence] : cases) {
    const Result result = run_program("train", words("refused", "1", more));
    EXPECT_EQ(result.code, 2) << sentence;
    EXPECT_TRUE(one_error(result, sentence)) << result.err;
    EXPECT_FALSE(fs::exists(folder / "refused"));
  }
}

}  // namespace
}  // namespace trifold::apps_test
