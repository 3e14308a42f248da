/// A run folder belongs to one process at a time, and a run goes on from anywhere.
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "apps/cli/run_folder.h"
#include "apps/cli/run_log.h"
#include "apps/prune/journal.h"
#include "apps/prune/stage_times.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

using namespace std::chrono_literals;

// The current folder, in a scope.
class Inside {
 public:
  explicit Inside(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  ~Inside() { fs::current_path(before_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  fs::path before_;
};

const std::vector<std::string> endless = {"--epochs", "100000"};

std::string host() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

std::string boot() {
  std::string name;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> name;
  return name;
}

struct RunFolders : testing::Test {
  TempFolder folder;
  std::string data = tiny_cifar(folder);
  fs::path out = folder / "run";

  std::future<Result> start(const std::vector<std::string>& words) const {
    return std::async(std::launch::async, [words] { return run_program("train", words); });
  }
  Result resume(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"--out", out.string(), "--resume", "--time-limit", "0.00001"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program("train", words);
  }
  void stopped_run(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = tiny_training(data, out, {"--time-limit", "0.00001"});
    words.insert(words.end(), more.begin(), more.end());
    const Result result = run_program("train", words);
    ASSERT_EQ(result.code, 75) << result.err;
  }
  std::string lock() const { return read_text(out / "run.lock"); }
};

TEST_F(RunFolders, AreRefusedWhileAnotherProcessWorksInThem) {
  std::future<Result> first = start(tiny_training(data, out, endless));
  const pid_t process = holder_of(out);
  ASSERT_GT(process, 0);
  const Result second = resume();
  EXPECT_EQ(second.code, 1);
  EXPECT_TRUE(one_error(second, "process " + std::to_string(process) + " on " + host()))
      << second.err;
  EXPECT_NE(second.err.find(out.string()), std::string::npos) << second.err;
  kill(process, SIGTERM);
  EXPECT_EQ(first.get().code, 75);
  EXPECT_FALSE(fs::exists(out / "run.lock"));
  std::set<int> epochs;
  std::istringstream lines(read_text(out / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(epochs.insert(nlohmann::json::parse(line).at("epoch").get<int>()).second) << line;
  }
  EXPECT_EQ(resume().code, 75);
}

TEST_F(RunFolders, AreTakenOverFromADeadProcess) {
  std::future<Result> first = start(tiny_training(data, out, endless));
  const pid_t process = holder_of(out);
  ASSERT_GT(process, 0);
  kill(process, SIGKILL);
  EXPECT_EQ(first.get().code, 128 + SIGKILL);
  EXPECT_TRUE(fs::exists(out / "run.lock"));
  const Result second = resume();
  EXPECT_EQ(second.code, 75) << second.err;
  EXPECT_FALSE(fs::exists(out / "run.lock"));
}

// What another process of this machine has left there tells nothing while nobody holds the lock:
// its number may be another process's by now.
TEST_F(RunFolders, AreTakenOverThoughTheNumberIsInUseAgain) {
  stopped_run();
  const std::string process = "process " + std::to_string(getpid());
  for (const std::string& left :
       {process + " on " + host() + "\nboot " + boot() + "\n",
        process + " on " + host() + "\nboot of-yesterday\n",  // a restart since
        process + " on a-container\nboot " + boot() + "\n",   // of this machine
        std::string("process"), std::string()}) {             // killed as it wrote
    write_text(out / "run.lock", left);
    const Result result = resume();
    EXPECT_EQ(result.code, 75) << left << result.err;
  }
}

TEST_F(RunFolders, OfAnotherMachineAreLeftToTheUser) {
  stopped_run();
  const std::string left = "process 12 on far-away\nboot 1234\n";
  write_text(out / "run.lock", left);
  const Result refused = resume();
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(one_error(refused, "process 12 on far-away")) << refused.err;
  EXPECT_TRUE(one_error(refused, "remove " + (out / "run.lock").string())) << refused.err;
  EXPECT_EQ(lock(), left);
  fs::remove(out / "run.lock");
  EXPECT_EQ(resume().code, 75);
}

TEST_F(RunFolders, GoToOneOfManyThatStartAtOnce) {
  std::vector<std::future<Result>> all;
  for (int i = 0; i < 6; ++i) all.push_back(start(tiny_training(data, out, endless)));
  const pid_t process = holder_of(out);
  ASSERT_GT(process, 0);
  std::this_thread::sleep_for(1s);
  kill(process, SIGTERM);
  std::multiset<int> codes;
  for (std::future<Result>& one : all) codes.insert(one.get().code);
  EXPECT_EQ(codes, (std::multiset<int>{1, 1, 1, 1, 1, 75}));
}

TEST_F(RunFolders, AreHeldByEveryStageButNotAgainstReaders) {
  ASSERT_EQ(run_program("train", tiny_training(data, out, {"--epochs", "1"})).code, 0);
  const fs::path other = folder / "other";
  const std::string model = (other / "model.safetensors").string();
  fs::create_directory(other);
  fs::copy(out / "model.safetensors", model);
  const int file = open((other / "run.lock").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(flock(file, LOCK_EX | LOCK_NB), 0);
  for (const char* stage : {"run", "plan", "report"}) {
    const Result result =
        run_program("prune", {stage, "--model", model, "--data", data, "--out", other.string()});
    EXPECT_EQ(result.code, 1) << stage;
    EXPECT_TRUE(one_error(result, "another process is working")) << result.err;
  }
  EXPECT_EQ(run_program("inspect", {model}).code, 0);
  EXPECT_EQ(run_program("evaluate", {"--model", model, "--data", data}).code, 0);
  close(file);
}

TEST_F(RunFolders, AreNotMadeForNothing) {
  write_text(folder / "cifar/test_batch.bin", "no images");
  const Result result = run_program("train", tiny_training(data, folder / "a/b/c"));
  EXPECT_EQ(result.code, 3) << result.err;
  EXPECT_FALSE(fs::exists(folder / "a"));
  fs::create_directories(folder / "mine");
  EXPECT_EQ(run_program("train", tiny_training(data, folder / "mine/x")).code, 3);
  EXPECT_TRUE(fs::exists(folder / "mine"));
  EXPECT_FALSE(fs::exists(folder / "mine/x"));
}

TEST_F(RunFolders, GoOnFromAnotherFolder) {
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "first", {"--epochs", "1"})).code, 0);
  const std::vector<std::string> words = {"--init",    "first/model.safetensors",
                                          "--data",    "cifar10:cifar",
                                          "--epochs",  "2",
                                          "--batch",   "6",
                                          "--threads", "1",
                                          "--out"};
  const auto train_into = [&](const std::string& name, const std::vector<std::string>& more) {
    const Inside here(folder / "");
    std::vector<std::string> all = words;
    all.push_back(name);
    all.insert(all.end(), more.begin(), more.end());
    return run_program("train", all);
  };
  ASSERT_EQ(train_into("whole", {}).code, 0);
  ASSERT_EQ(train_into("run", {"--time-limit", "0.00001"}).code, 75);
  // The folder itself may move, too.
  fs::create_directories(folder / "archive");
  fs::rename(out, folder / "archive/run");
  const Inside elsewhere("/");
  const Result rest =
      run_program("train", {"--out", (folder / "archive/run").string(), "--resume"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_FALSE(fs::exists(out));
  const std::string model = read_text(folder / "whole/model.safetensors");
  EXPECT_FALSE(model.empty());
  EXPECT_TRUE(model == read_text(folder / "archive/run/model.safetensors"));
  // A model says what it was made of, not where that lay.
  EXPECT_NE(model.find("cifar10:cifar"), std::string::npos);
  EXPECT_EQ(model.find((folder / "").string()), std::string::npos);
}

TEST_F(RunFolders, OfPruneGoOnFromAnotherFolder) {
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "first", {"--epochs", "1"})).code, 0);
  {
    const Inside here(folder / "");
    const Result plan = run_program(
        "prune", {"plan", "--model", "first/model.safetensors", "--data", "cifar10:cifar", "--out",
                  "run", "--held-out", "10", "--target", "0.7", "--threads", "1"});
    ASSERT_EQ(plan.code, 0) << plan.err;
  }
  // Another name of the model is no other model.
  const Inside elsewhere("/");
  const Result again = run_program("prune", {"plan", "--out", out.string()});
  EXPECT_EQ(again.code, 0) << again.err;
  fs::rename(folder / "first/model.safetensors", folder / "model.safetensors");
  const Result moved = run_program(
      "prune", {"plan", "--out", out.string(), "--model", (folder / "model.safetensors").string()});
  EXPECT_EQ(moved.code, 0) << moved.err;
}

TEST_F(RunFolders, GoOnThoughKilledBeforeTheFirstCheckpoint) {
  stopped_run();
  fs::remove(out / "checkpoint.safetensors");
  const Result result = resume();
  EXPECT_EQ(result.code, 75) << result.err;
}

// The limit on the size of files has the first write take a part of the text.
TEST(RunFiles, AWriteThatTakesAPartIsGoneOnWith) {
  const TempFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    const rlimit small{10, 10};
    setrlimit(RLIMIT_FSIZE, &small);
    std::signal(SIGXFSZ, SIG_IGN);
    try {
      const apps::HeldFile file(folder / "run.lock");
    } catch (const engine::WriteError& e) {
      _exit(std::string(e.what()).ends_with("can't be written (File too large)") ? 0 : 2);
    }
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_FALSE(fs::exists(folder / "run.lock"));
}

// Reading the memory of this process from its address 0 on is an error of the system, which is not the
// end of a file: taken for it, what a run has recorded would be dropped.
TEST(RunFiles, WhatTheSystemFailsToReadIsNamedAndStays) {
  const TempFolder folder;
  const fs::path file = folder / "metrics.jsonl";
  fs::create_symlink("/proc/self/mem", file);
  fs::create_symlink("/proc/self/mem", folder / "journal.json");
  const std::vector<std::function<void()>> readers = {
      [&] { apps::RunLog(file.parent_path()).keep_through(3); },
      [&] { apps::Journal(folder / "", nlohmann::json::object()); },
      [&] { apps::StageTimes{file}; }, [&] { apps::crc32_of_file(file); }};
  for (const auto& reader : readers) {
    try {
      reader();
      ADD_FAILURE() << "reader " << &reader - readers.data() << " took it for a file's end";
    } catch (const FileError& e) {
      const std::string sentence = e.what();
      EXPECT_TRUE(sentence.starts_with(file.parent_path().string())) << sentence;
      EXPECT_NE(sentence.find(": the file can't be read"), std::string::npos) << sentence;
    }
  }
  EXPECT_TRUE(fs::is_symlink(file));
}

TEST_F(RunFolders, NameTheOptionThatDiffersAndBothValues) {
  stopped_run();
  const std::vector<std::vector<std::string>> changes = {
      {"--lr", "0.25", "lr = 0.1, not 0.25; give the same --lr,"},
      {"--batch", "5", "batch = 6, not 5; give the same --batch,"},
      {"--weight-decay", "0.5", "not 0.5; give the same --weight-decay,"},
      {"--augment", "false", "give the same --flip and --augment,"},
      {"--held-out", "12", "images = 54, not 48; give the same --data and --held-out,"},
      {"--arch", "resnet14", "give the same --arch or --init,"}};
  for (const std::vector<std::string>& change : changes) {
    const Result result = resume({change[0], change[1]});
    EXPECT_EQ(result.code, 2) << change[0];
    EXPECT_TRUE(one_error(result, change[2])) << result.err;
    EXPECT_EQ(result.err.find("momentum"), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace trifold::apps_test
