#include <gtest/gtest.h>
#include <sys/mount.h>

#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>

#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

// The epochs of metrics.jsonl, in its order.
std::vector<int> epochs_of(const fs::path& folder) {
  std::vector<int> epochs;
  std::istringstream lines(read_text(folder / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    epochs.push_back(nlohmann::json::parse(line).at("epoch").get<int>());
  }
  return epochs;
}

void expect_equal_runs(const fs::path& a, const fs::path& b) {
  EXPECT_FALSE(read_text(a / "model.safetensors").empty());
  EXPECT_TRUE(read_text(a / "model.safetensors") == read_text(b / "model.safetensors"));
  EXPECT_EQ(read_text(a / "summary.csv"), read_text(b / "summary.csv"));
  EXPECT_EQ(epochs_of(b), (std::vector<int>{1, 2, 3, 4, 5, 6}));
}

TEST(Train, AKilledRunEndsWithTheBitsOfAnUninterruptedOne) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const auto start = std::chrono::steady_clock::now();
  const Result whole = run_program("train", tiny_training(data, folder / "whole"));
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);

  std::mt19937 random(7);
  for (int repeat = 0; repeat < 2; ++repeat) {
    const fs::path out = folder / ("killed" + std::to_string(repeat));
    for (int kills = 0; kills < 3; ++kills) {
      const auto after = took * (10 + random() % 80) / 100;
      run_program("train", tiny_training(data, out, {"--resume"}), {SIGKILL, after});
    }
    const Result rest = run_program("train", tiny_training(data, out, {"--resume"}));
    ASSERT_EQ(rest.code, 0) << rest.err;
    expect_equal_runs(folder / "whole", out);
  }
}

TEST(Train, RefusesAProfileThatCannotBeWrittenBeforeItTrains) {
  const TempFolder folder;
  const fs::path trace = folder / "missing" / "trace.json";
  const Result result = run_program(
      "train", tiny_training(tiny_cifar(folder), folder / "run", {"--profile", trace.string()}));
  EXPECT_NE(result.code, 0);
  EXPECT_NE(result.err.find(trace.string()), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(folder / "run" / "model.safetensors"));
}

TEST(Train, ProfilesItsKernels) {
  const TempFolder folder;
  const fs::path trace = folder / "trace.json";
  const Result result = run_program(
      "train", tiny_training(tiny_cifar(folder), folder / "run", {"--profile", trace.string()}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("norm_conv2d_backward"), std::string::npos) << result.err;
  const nlohmann::json events = nlohmann::json::parse(read_text(trace)).at("traceEvents");
  ASSERT_FALSE(events.empty());
  for (const nlohmann::json& event : events) {
    EXPECT_EQ(event.at("ph"), "X");
    EXPECT_GE(event.at("ts").get<double>(), 0);
    EXPECT_GE(event.at("dur").get<double>(), 0);
  }
}

TEST(Train, StopsAfterACheckpointAndGoesOn) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const Result whole = run_program("train", tiny_training(data, folder / "whole"));
  ASSERT_EQ(whole.code, 0) << whole.err;

  // A time limit that is over at once stops every start after one batch or epoch.
  const fs::path out = folder / "stopped";
  const Result limited =
      run_program("train", tiny_training(data, out, {"--time-limit", "0.00001"}));
  EXPECT_EQ(limited.code, 75) << limited.err;
  EXPECT_FALSE(fs::exists(out / "model.safetensors"));
  const Result again =
      run_program("train", tiny_training(data, out, {"--resume", "--time-limit", "0.00001"}));
  EXPECT_EQ(again.code, 75) << again.err;
  const Result rest = run_program("train", tiny_training(data, out, {"--resume"}));
  ASSERT_EQ(rest.code, 0) << rest.err;
  expect_equal_runs(folder / "whole", out);
}

TEST(Train, SigtermStopsAfterACheckpoint) {
  const TempFolder folder;
  const fs::path out = folder / "run";
  const auto words = tiny_training(tiny_cifar(folder), out, {"--epochs", "100000"});
  const Result result = run_program("train", words, {SIGTERM, std::chrono::milliseconds(1500)});
  EXPECT_EQ(result.code, 75) << result.err;
  EXPECT_TRUE(fs::exists(out / "checkpoint.safetensors"));
}

TEST(Train, ADivergedRunWritesNoModel) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  // The larger one spoils the loss, the other running statistics or the network in use. A single step
  // has no loss after it.
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--lr", "1e30"},
                                             {"--lr", "1e9"},
                                             {"--lr", "1e9", "--epochs", "1"},
                                             {"--lr", "1e30", "--epochs", "1", "--batch", "60"},
                                             {"--lr", "1e9", "--ema", "0.99", "--epochs", "1"}}) {
    const fs::path out = folder / "run";
    const Result result = run_program("train", tiny_training(data, out, more));
    EXPECT_EQ(result.code, 5) << more[1] << ": " << result.out;
    EXPECT_TRUE(one_error(result, "; lower --lr")) << result.err;
    EXPECT_FALSE(fs::exists(out / "model.safetensors")) << more[1];
    EXPECT_FALSE(fs::exists(out / "checkpoint.safetensors")) << more[1];
    EXPECT_EQ(result.out, "");
    fs::remove_all(out);
  }
}

TEST(Train, StartsFromAModelOfTheSameClassesOrANewHead) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder), init = (folder / "run/model.safetensors").string();
  name_tiny_classes(folder, 0);
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "run", {"--epochs", "1"})).code, 0);
  const auto tune = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--init",    init, "--data",  data, "--epochs", "1",
                                      "--threads", "1",  "--batch", "6",  "--out"};
    words.push_back((folder / name).string());
    words.insert(words.end(), more.begin(), more.end());
    return run_program("train", words);
  };
  const auto names = [&](const std::string& name) {
    const Result shown =
        run_program("inspect", {(folder / name / "model.safetensors").string(), "--json"});
    return nlohmann::json::parse(shown.out).at("class_names").dump();
  };
  const Result same = tune("same", {});
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(same.err.find("note: "), std::string::npos) << same.err;

  name_tiny_classes(folder, 4);
  const Result other = tune("other", {});
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "class 0 is 'b' in the model and 'a' in the data")) << other.err;
  EXPECT_TRUE(one_error(other, "--new-head")) << other.err;
  EXPECT_FALSE(fs::exists(folder / "other"));
  const Result fresh = tune("fresh", {"--new-head"});
  EXPECT_EQ(fresh.code, 0) << fresh.err;
  EXPECT_EQ(names("fresh"), R"(["a","b","c","d","f","e","g","h","i","j"])");

  // Grey images of four classes without names.
  const std::string idx = tiny_idx(folder);
  const Result grey = tune("grey", {"--new-head", "--data", idx});
  EXPECT_EQ(grey.code, 2);
  EXPECT_TRUE(one_error(grey, "3 channels")) << grey.err;
  const Result alone = run_program("train", tiny_training(data, folder / "x", {"--new-head"}));
  EXPECT_EQ(alone.code, 2);
  EXPECT_TRUE(one_error(alone, "--init")) << alone.err;
}

// A model of 32 x 32 pixels, and students of 16 x 16 that learn from it.
struct TrainWithATeacher : testing::Test {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const std::string teacher = (folder / "teacher/model.safetensors").string();
  void SetUp() override {
    name_tiny_classes(folder, 0);
    const Result result =
        run_program("train", tiny_training(data, folder / "teacher", {"--epochs", "1"}));
    ASSERT_EQ(result.code, 0) << result.err;
  }
  Result train(const std::string& name, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"--resolution", "16"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program("train", tiny_training(data, folder / name, words));
  }
};

TEST_F(TrainWithATeacher, ResizesAsAsked) {
  ASSERT_EQ(train("antialias", {}).code, 0);
  ASSERT_EQ(train("plain", {"--resize", "plain"}).code, 0);
  EXPECT_NE(read_text(folder / "plain/summary.csv"), read_text(folder / "antialias/summary.csv"));
  // What was trained so is evaluated so, and trained so again where nothing else is said.
  const auto described = [&](const std::string& name) {
    const Result shown =
        run_program("inspect", {(folder / name / "model.safetensors").string(), "--json"});
    return nlohmann::json::parse(shown.out);
  };
  EXPECT_EQ(described("plain").at("resize"), "plain");
  EXPECT_EQ(described("plain").at("provenance").back().at("resize"), "plain");
  EXPECT_EQ(described("antialias").at("resize"), "antialias");
  const Result tuned = run_program(
      "train", {"--init", (folder / "plain/model.safetensors").string(), "--data", data, "--epochs",
                "1", "--batch", "6", "--threads", "1", "--out", (folder / "tuned").string()});
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_EQ(described("tuned").at("resize"), "plain");
}

TEST_F(TrainWithATeacher, KeepsOnRecordWhatItLearntFrom) {
  const Result plain = train("plain", {}), taught = train("taught", {"--teacher", teacher});
  ASSERT_EQ(plain.code, 0) << plain.err;
  ASSERT_EQ(taught.code, 0) << taught.err;
  EXPECT_NE(read_text(folder / "plain/summary.csv"), read_text(folder / "taught/summary.csv"));
  const auto record = [&](const std::string& name) {
    const Result shown =
        run_program("inspect", {(folder / name / "model.safetensors").string(), "--json"});
    return nlohmann::json::parse(shown.out).at("provenance").back().at("teacher");
  };
  EXPECT_TRUE(record("plain").is_null());
  EXPECT_EQ(record("taught"), nlohmann::json({{"file", "model.safetensors"},
                                              {"weight", 0.5},
                                              {"temperature", 4.0},
                                              {"resolution", 32}}));

  // The written configuration alone repeats the run.
  const Result again = run_program("train", {"--config", (folder / "taught/config.toml").string(),
                                             "--out", (folder / "again").string()});
  ASSERT_EQ(again.code, 0) << again.err;
  expect_equal_runs(folder / "taught", folder / "again");
}

TEST_F(TrainWithATeacher, GoesOnWithTheSameOneAlone) {
  const std::vector<std::string> flags = {"--teacher", teacher, "--teacher-weight", "0.9"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = flags;
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  ASSERT_EQ(train("whole", flags).code, 0);
  const Result stopped = train("stopped", with({"--time-limit", "0.00001"}));
  ASSERT_EQ(stopped.code, 75) << stopped.err;

  ASSERT_EQ(run_program("train", tiny_training(data, folder / "other", {"--epochs", "2"})).code, 0);
  const auto refused = [&](const std::string& flag, const std::string& value) {
    const Result result = train("stopped", {"--resume", flag, value});
    EXPECT_EQ(result.code, 2) << flag;
    EXPECT_TRUE(one_error(result, "give the same " + flag + ",")) << result.err;
  };
  refused("--teacher", (folder / "other/model.safetensors").string());
  refused("--teacher-weight", "0.8");
  refused("--teacher-temperature", "5");
  const Result rest = train("stopped", {"--resume"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  expect_equal_runs(folder / "whole", folder / "stopped");
}

TEST_F(TrainWithATeacher, SaysWhatIsWrongWithIt) {
  const auto refused = [&](int code, const std::string& part,
                           const std::vector<std::string>& flags) {
    const Result result = train("x", flags);
    EXPECT_EQ(result.code, code) << part;
    EXPECT_TRUE(one_error(result, part)) << result.err;
    EXPECT_FALSE(fs::exists(folder / "x")) << part;
  };
  refused(2, "weight is 1.5; it has to be in [0, 1]",
          {"--teacher", teacher, "--teacher-weight", "1.5"});
  refused(2, "weight is -1;", {"--teacher", teacher, "--teacher-weight", "-1"});
  refused(2, "temperature is 0; it has to be above 0",
          {"--teacher", teacher, "--teacher-temperature", "0"});
  refused(2, "--teacher-weight: 'much' is not a number", {"--teacher-weight", "much"});
  refused(2, "; give one", {"--teacher-weight", "0.5"});
  refused(2, "; give one", {"--teacher-temperature", "2"});
  const std::string missing = (folder / "missing.safetensors").string();
  refused(3, missing, {"--teacher", missing});
  refused(2, "--teacher needs a file that says in its metadata how to read it",
          {"--teacher", std::string(TRIFOLD_FIXTURES) + "/resnet20.safetensors"});
  refused(2, "tells 10 classes apart", {"--teacher", teacher, "--data", tiny_idx(folder)});
  name_tiny_classes(folder, 4);
  refused(2, "class 0 is 'b' in the model and 'a' in the data", {"--teacher", teacher});
  refused(2, "give a --teacher that was trained on such classes", {"--teacher", teacher});
}

TEST(Train, RefusesAFolderThatHoldsARun) {
  const TempFolder folder;
  const auto words = tiny_training(tiny_cifar(folder), folder / "run", {"--epochs", "1"});
  ASSERT_EQ(run_program("train", words).code, 0);
  const Result second = run_program("train", words);
  EXPECT_EQ(second.code, 2);
  EXPECT_TRUE(one_error(second, "--resume")) << second.err;
}

TEST(Train, TheWrittenConfigurationRepeatsTheRun) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "a", {"--seed", "5"})).code, 0);
  const Result second = run_program(
      "train", {"--config", (folder / "a/config.toml").string(), "--out", (folder / "b").string()});
  ASSERT_EQ(second.code, 0) << second.err;
  expect_equal_runs(folder / "a", folder / "b");
}

TEST(Train, TakesEverySchedule) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  for (const char* schedule : {"constant", "step", "cosine", "one-cycle"}) {
    const Result result = run_program(
        "train", tiny_training(data, folder / schedule, {"--schedule", schedule, "--epochs", "1"}));
    EXPECT_EQ(result.code, 0) << schedule << ": " << result.err;
  }
}

TEST(Train, AnInitModelOfOtherClassesIsRefused) {
  const TempFolder folder;
  const fs::path out = folder / "run";
  ASSERT_EQ(run_program("train", tiny_training(tiny_cifar(folder), out, {"--epochs", "1"})).code,
            0);
  fs::create_directories(folder / "c100");
  write_text(folder / "c100/train.bin", std::string(3074 * 20, '\1'));
  write_text(folder / "c100/test.bin", std::string(3074 * 2, '\1'));
  const Result result = run_program(
      "train", {"--init", (out / "model.safetensors").string(), "--data",
                "cifar100:" + (folder / "c100").string(), "--out", (folder / "x").string()});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(one_error(result, "10 classes")) << result.err;
}

TEST(Train, AFullDiskIsOneSentence) {
  const TempFolder folder;
  const fs::path out = folder / "small";
  fs::create_directories(out);
  if (mount("tmpfs", out.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  const Result result = run_program("train", tiny_training(tiny_cifar(folder), out));
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(out)) left.insert(entry.path().filename());
  umount(out.c_str());
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(one_error(result, "checkpoint.safetensors")) << result.err;
  EXPECT_EQ(left, (std::set<std::string>{"config.toml", "metrics.jsonl", "metrics.tfevents"}));
}

}  // namespace
}  // namespace trifold::apps_test
