/// Processes that share a run's work: what they record is what one alone would, bit for bit, whoever of
/// them ends, and how.
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <sstream>

#include "apps/cli/lease.h"
#include "apps/prune/forecast.h"
#include "tests/apps/prune_fixture.h"
#include "tests/apps/records.h"

namespace trifold::apps_test {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

const std::string far_away = "process 12 on far-away\nboot 1234\n";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

bool appears(const std::function<bool()>& what) {
  for (int i = 0; i < 6000 && !what(); ++i) std::this_thread::sleep_for(10ms);
  return what();
}

struct Sharing : Prune {
  fs::path whole = folder / "whole", shared = folder / "shared";

  Result prune(const std::string& stage, const fs::path& out, const Words& more = {}) const {
    return run_program("prune", arguments(stage, out, more));
  }
  std::future<Result> start(const std::string& stage, const fs::path& out,
                            const Words& more = {}) const {
    return std::async(std::launch::async, [=, this] { return prune(stage, out, more); });
  }
  // Plans both runs, and has one process alone collect the points of the first.
  void plan(const Words& options) const {
    for (const fs::path& out : {whole, shared}) {
      ASSERT_EQ(prune("plan", out, options).code, 0);
      ASSERT_EQ(prune("sparsify", out).code, 0);
    }
    const Result alone = prune("collect", whole);
    ASSERT_EQ(alone.code, 0) << alone.err;
  }
  void expect_same() const {
    EXPECT_EQ(steps_of(shared), steps_of(whole));
    for (const auto& file : fs::directory_iterator(whole / "points")) {
      const std::string bytes = read_text(file.path());
      EXPECT_FALSE(bytes.empty());
      EXPECT_TRUE(bytes == read_text(shared / "points" / file.path().filename())) << file.path();
    }
    EXPECT_TRUE(fs::is_empty(shared / "leases"));
    EXPECT_TRUE(fs::is_empty(shared / "checkpoints"));
  }
  // The process that a lease names, as soon as there is one.
  pid_t some_holder() const {
    pid_t process = 0;
    const bool there = appears([&] {
      std::error_code absent;
      for (const auto& lease : fs::directory_iterator(shared / "leases", absent)) {
        std::istringstream text(read_text(lease.path()));
        std::string word;
        text >> word >> process;
      }
      return process > 0 && fs::exists(shared / "checkpoints");
    });
    return there ? process : 0;
  }
  Result prune_here(const Words& words) const {
    Words all = words;
    all.insert(all.end(), {"--out", shared.string()});
    return run_program("prune", all);
  }
};

TEST_F(Sharing, TwoProcessesDoEachPointOnce) {
  plan({"--repeats", "1"});
  std::future<Result> first = start("collect", shared, {"--worker"});
  const Result second = prune_here({"collect", "--worker"});
  const Result other = first.get();
  EXPECT_EQ(other.code, 0) << other.err;
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(count(other.err, "held-out top-1") + count(second.err, "held-out top-1"),
            steps_of(shared).size() - 2);  // plan and sparsify
  expect_same();
  EXPECT_FALSE(fs::exists(shared / "run.lock"));
}

TEST_F(Sharing, ChainsAndWhatFollowsThemAreTheSame) {
  plan({"--path", "iterative", "--repeats", "1", "--off-axes", "2", "--sparsity-epochs", "1"});
  ASSERT_TRUE(steps_of(whole).contains("collect/joint-1"));
  const Result result = prune_here({"collect", "--workers", "3", "--threads", "2"});
  EXPECT_EQ(result.code, 0) << result.err;
  expect_same();
}

TEST_F(Sharing, TheWorkOfAKilledProcessIsTakenOver) {
  plan({"--round-epochs", "12", "--dimensions", "depth,width"});
  std::future<Result> first = start("collect", shared, {"--worker"});
  const pid_t process = some_holder();
  ASSERT_GT(process, 0);
  kill(process, SIGKILL);
  EXPECT_EQ(first.get().code, 128 + SIGKILL);
  EXPECT_FALSE(fs::is_empty(shared / "leases"));
  const Result second = prune_here({"collect", "--worker"});
  EXPECT_EQ(second.code, 0) << second.err;
  expect_same();
}

TEST_F(Sharing, AKilledWorkerOfMoreIsMissedByNobody) {
  plan({"--round-epochs", "12", "--dimensions", "depth,width"});
  std::future<Result> all = std::async(std::launch::async, [this] {
    return prune_here({"collect", "--workers", "2"});
  });
  const pid_t process = some_holder();
  ASSERT_GT(process, 0);
  kill(process, SIGKILL);
  const Result result = all.get();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("signal 9 has ended a worker"), std::string::npos) << result.err;
  expect_same();
}

TEST_F(Sharing, WhatAnotherMachineHasLeftIsTakenOverAfterItsTime) {
  plan({"--dimensions", "width"});
  fs::create_directory(shared / "leases");
  const fs::path lease = shared / "leases/collect-width-1.lease";
  write_text(lease, far_away + "free 3000 seconds after its last change\n");
  std::future<Result> worker = start("collect", shared, {"--worker"});
  ASSERT_TRUE(appears([&] { return fs::exists(record_of(shared, "collect/width-2")); }));
  std::this_thread::sleep_for(1s);
  EXPECT_FALSE(fs::exists(record_of(shared, "collect/width-1")));
  write_text(lease, far_away + "free 1 seconds after its last change\n");
  const Result result = worker.get();
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string told = "waiting for collect/width-1, which process 12 on far-away has";
  EXPECT_EQ(count(result.err, told), 1U) << result.err;
  expect_same();
  // A stop is heard while nothing but waiting is left.
  fs::remove(record_of(shared, "collect/width-1"));
  write_text(lease, far_away + "free 3000 seconds after its last change\n");
  const Result stopped = prune_here({"collect", "--worker", "--time-limit", "0.02"});
  EXPECT_EQ(stopped.code, 75) << stopped.err;
}

TEST_F(Sharing, AStopReachesAllAndTheyGoOn) {
  plan({"--round-epochs", "12", "--dimensions", "depth"});
  const Result stopped = prune_here({"collect", "--workers", "2", "--time-limit", "0.005"});
  EXPECT_EQ(stopped.code, 75) << stopped.err;
  EXPECT_EQ(count(stopped.err, "stopped after a checkpoint"), 1U) << stopped.err;
  EXPECT_EQ(prune_here({"collect", "--workers", "2"}).code, 0);
  expect_same();
}

TEST_F(Sharing, AFailureIsToldOnce) {
  ASSERT_EQ(prune("plan", shared, {"--round-lr", "1e9"}).code, 0);
  const Result result = prune_here({"collect", "--workers", "2"});
  EXPECT_EQ(result.code, 5) << result.err;
  EXPECT_EQ(count(result.err, "error: "), 1U) << result.err;
  EXPECT_TRUE(one_error(result, "; lower --round-lr")) << result.err;
}

TEST_F(Sharing, ComparedTrainingsAreTheSame) {
  const Words methods = {"--methods", "resolution,uniform", "--seeds", "2"};
  ASSERT_EQ(prune("run", whole, {"--finalists", "2"}).code, 0);
  fs::copy(whole, shared, fs::copy_options::recursive);
  Words alone = {"compare"}, more = {"compare", "--workers", "2"};
  alone.insert(alone.end(), methods.begin(), methods.end());
  more.insert(more.end(), methods.begin(), methods.end());
  const Result result = prune_here(more);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(count(result.out, "uniform"), 1U) << result.out;  // a table, once
  fs::rename(shared, folder / "by-two");
  fs::copy(whole, shared, fs::copy_options::recursive);
  ASSERT_EQ(prune_here(alone).code, 0);
  nlohmann::json by_one = steps_of(shared), by_two = steps_of(folder / "by-two");
  for (nlohmann::json* steps : {&by_one, &by_two}) {
    for (auto& [step, record] : steps->items()) record.erase("time");  // measured
  }
  EXPECT_EQ(by_one, by_two);
  for (const auto& file : fs::directory_iterator(shared / "compare")) {
    EXPECT_TRUE(read_text(file.path()) ==
                read_text(folder / "by-two/compare" / file.path().filename()));
  }
}

TEST_F(Sharing, WhatCannotBeSharedIsRefused) {
  const auto refuse = [&](const std::string& stage, const Words& more, const std::string& why) {
    const Result result = prune(stage, shared, more);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_TRUE(one_error(result, why)) << result.err;
  };
  refuse("collect", {"--worker"}, "run 'prune plan' on it first");
  EXPECT_FALSE(fs::exists(shared));
  refuse("run", {"--worker"}, "for the stages collect and compare");
  refuse("collect", {"--worker", "--workers", "2"}, "leave out --workers");
  refuse("collect", {"--cost", "latency", "--workers", "2"}, "--cost latency");
  refuse("collect", {"--workers", "0"}, "--workers");
  // What a sparsity training has yet to change must not be pruned before.
  ASSERT_EQ(prune("plan", shared, {"--sparsity-epochs", "1"}).code, 0);
  refuse("collect", {"--worker"}, "'sparsify' has to be done first");
}

TEST_F(Sharing, LeavesWhatOthersAreWriting) {
  ASSERT_EQ(prune("plan", shared).code, 0);
  const fs::path half = shared / "half.abcdef.partial";
  write_text(half, "half");
  {
    apps::Leases leases(shared / "leases");
    const apps::Leases::Claim mine = leases.take("collect-width-1");
    ASSERT_TRUE(mine.lease);
    ASSERT_EQ(prune("plan", shared).code, 0);
    EXPECT_TRUE(fs::exists(half));
  }
  ASSERT_EQ(prune("plan", shared).code, 0);
  EXPECT_FALSE(fs::exists(half));
}

TEST_F(Sharing, ThePlanSaysHowLongItWillTake) {
  const Result result =
      prune("plan", shared, {"--workers", "2", "--path", "iterative", "--off-axes", "1"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* step : {"collect/original-0", "collect/depth-2", "collect/width-1",
                           "collect/resolution-2", "collect/joint-1"}) {
    EXPECT_NE(result.err.find(step), std::string::npos) << step << result.err;
  }
  EXPECT_NE(result.err.find("with 2 workers"), std::string::npos) << result.err;
  const Result alone = prune("plan", folder / "alone");
  EXPECT_EQ(alone.err.find("collect/"), std::string::npos) << alone.err;
}

TEST(Forecast, EachTaskInTurnGoesToTheWorkerThatIsFreeFirst) {
  const std::vector<double> tasks = {5, 3, 3, 2};
  EXPECT_EQ(apps::wall_seconds(tasks, 1), 13);
  EXPECT_EQ(apps::wall_seconds(tasks, 2), 7);
  EXPECT_EQ(apps::wall_seconds(tasks, 3), 5);
  EXPECT_EQ(apps::wall_seconds(tasks, 1000), 5);
  EXPECT_EQ(apps::wall_seconds({}, 2), 0);
}

TEST(LeaseFiles, AreOneProcessesAtATime) {
  const TempFolder folder;
  apps::Leases first(folder / "leases"), second(folder / "leases");
  {
    const apps::Leases::Claim mine = first.take("a");
    ASSERT_TRUE(mine.lease);
    const apps::Leases::Claim theirs = second.take("a");
    EXPECT_FALSE(theirs.lease);
    EXPECT_TRUE(theirs.holder.starts_with("process " + std::to_string(getpid()) + " on "));
    EXPECT_TRUE(second.take("b").lease);
    EXPECT_TRUE(apps::any_lease_is_held(folder / "leases"));
  }
  EXPECT_FALSE(apps::any_lease_is_held(folder / "leases"));
  EXPECT_TRUE(second.take("a").lease);
  // Left by a process of this machine that was killed as it wrote.
  for (const char* half : {"", "process", "process 12", "process 12 on another"}) {
    write_text(folder / "leases/c.lease", half);
    EXPECT_TRUE(first.take("c").lease) << half;
  }
  EXPECT_TRUE(fs::is_empty(folder / "leases"));
}

TEST(LeaseFiles, OfAnotherMachineStayAsLongAsTheyAreRenewed) {
  const TempFolder folder;
  fs::create_directory(folder / "leases");
  const fs::path file = folder / "leases/a.lease";
  write_text(file, far_away + "free 1 seconds after its last change\n");
  apps::Leases leases(folder / "leases");
  for (int i = 0; i < 6; ++i) {
    EXPECT_FALSE(leases.take("a").lease);
    EXPECT_TRUE(apps::any_lease_is_held(folder / "leases"));
    std::this_thread::sleep_for(300ms);
    write_text(file, far_away + "free 1 seconds after its last change\n");
  }
  EXPECT_FALSE(leases.take("a").lease);
  std::this_thread::sleep_for(1100ms);
  EXPECT_TRUE(leases.take("a").lease);
  // Where it says no such time, a minute counts.
  for (const char* text : {"free 0 seconds", "free -1 seconds", "free 99999999999999999999", ""}) {
    write_text(file, far_away + text);
    EXPECT_FALSE(leases.take("a").lease) << text;
  }
}

}  // namespace
}  // namespace trifold::apps_test
