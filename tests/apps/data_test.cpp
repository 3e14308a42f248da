/// What the programs make of people's data.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

using nlohmann::json;

fs::path picture(const std::string& name) {
  return fs::path(TRIFOLD_SOURCE_DIR) / "tests/fixtures/pictures" / name;
}

/// An image folder of two classes: 8 training and 2 test images.
std::string tiny_folder(const TempFolder& folder) {
  const auto copy = [&](const std::string& split, const std::string& name) {
    for (const std::string kind : {"a", "b"}) {
      const fs::path to = folder / "photos" / split / kind;
      fs::create_directories(to);
      fs::copy_file(picture(name), to / name);
    }
  };
  for (const int k : {1, 2, 3, 4}) copy("train", "orientation-" + std::to_string(k) + ".jpg");
  copy("test", "orientation-6.jpg");
  return "folder:" + (folder / "photos").string();
}

std::vector<std::string> with_side(std::vector<std::string> words) {
  words.insert(words.end(), {"--image-side", "12"});
  return words;
}

Result train_once(const std::string& data, const fs::path& out,
                  const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = tiny_training(data, out, {"--epochs", "1", "--batch", "2"});
  words.insert(words.end(), more.begin(), more.end());
  return run_program("train", data.starts_with("folder:") ? with_side(words) : words);
}

std::int64_t count(const std::string& text, const std::string& part) {
  std::int64_t times = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++times;
  return times;
}

TEST(Data, EvaluatingReadsOnlyTheSplitItEvaluates) {
  const TempFolder folder;
  for (const std::string& data : {tiny_cifar(folder), tiny_idx(folder), tiny_folder(folder)}) {
    const fs::path place = data.substr(data.find(':') + 1), out = place.string() + "-run";
    const Result trained = train_once(data, out);
    ASSERT_EQ(trained.code, 0) << trained.err;
    const auto evaluate = [&](const std::string& split) {
      std::vector<std::string> words = {"--model",   (out / "model.safetensors").string(),
                                        "--data",    data,
                                        "--split",   split,
                                        "--threads", "1"};
      return run_program("evaluate", data.starts_with("folder:") ? with_side(words) : words);
    };
    const fs::path kept = place.string() + "-kept";
    const auto hide = [&](const std::vector<std::string>& prefixes) {
      fs::create_directories(kept);
      for (const fs::directory_entry& entry : fs::directory_iterator(place)) {
        const std::string name = entry.path().filename().string();
        for (const std::string& prefix : prefixes) {
          if (name.starts_with(prefix)) fs::rename(entry.path(), kept / name);
        }
      }
    };
    hide({"data_batch", "train"});
    EXPECT_EQ(evaluate("test").code, 0) << evaluate("test").err;
    EXPECT_EQ(evaluate("train").code, 3);
    for (const fs::directory_entry& entry : fs::directory_iterator(kept)) {
      fs::rename(entry.path(), place / entry.path().filename());
    }
    hide({"test", "t10k"});
    EXPECT_EQ(evaluate("train").code, 0) << evaluate("train").err;
    EXPECT_EQ(evaluate("test").code, 3);
  }
}

TEST(Data, ATestSplitWithoutTheLastOfItsNumberedClassesIsEvaluated) {
  const TempFolder folder;
  const std::string data = tiny_idx(folder);
  ASSERT_EQ(train_once(data, folder / "run").code, 0);
  std::string labels = read_text(folder / "idx/t10k-labels-idx1-ubyte");
  for (std::size_t i = 8; i < labels.size(); ++i) labels[i] = static_cast<char>(i % 3);
  write_text(folder / "idx/t10k-labels-idx1-ubyte", labels);
  const std::vector<std::string> words = {"--model", (folder / "run/model.safetensors").string(),
                                          "--data", data};
  EXPECT_EQ(run_program("evaluate", words).code, 0);
  labels.back() = 9;  // a class that the network doesn't have
  write_text(folder / "idx/t10k-labels-idx1-ubyte", labels);
  EXPECT_TRUE(one_error(run_program("evaluate", words), "4 classes"));
}

TEST(Data, NamesThatNoFileOfARunCanHoldAreRefusedBeforeTraining) {
  const TempFolder folder;
  const std::string latin1 = "caf\xe9", data = tiny_cifar(folder);
  const std::string out = (folder / "run").string();
  ASSERT_EQ(train_once(data, out).code, 0);
  const std::string model = out + "/model.safetensors";

  fs::rename(folder / "cifar", folder / latin1);
  const std::string odd = "cifar10:" + (folder / latin1).string();
  const Result by_path = train_once(odd, folder / "other");
  EXPECT_EQ(by_path.code, 2);
  EXPECT_TRUE(one_error(by_path, "caf\\xe9")) << by_path.err;
  EXPECT_FALSE(fs::exists(folder / "other"));
  EXPECT_EQ(run_program("evaluate", {"--model", model, "--data", odd, "--json"}).code, 0);
  const Result pruned = run_program(
      "prune", {"run", "--model", model, "--data", odd, "--out", (folder / "other").string()});
  EXPECT_EQ(pruned.code, 2);
  EXPECT_TRUE(one_error(pruned, "--data")) << pruned.err;
  EXPECT_FALSE(fs::exists(folder / "other"));

  const std::string photos = tiny_folder(folder);
  fs::rename(folder / "photos/train/b", folder / "photos/train" / latin1);
  fs::rename(folder / "photos/test/b", folder / "photos/test" / latin1);
  const Result by_class = train_once(photos, folder / "other");
  EXPECT_EQ(by_class.code, 3);
  EXPECT_TRUE(one_error(by_class, "caf\\xe9")) << by_class.err;
  EXPECT_FALSE(fs::exists(folder / "other"));
}

TEST(Data, WarningsAreSaidOnce) {
  const TempFolder folder;
  const std::string data = tiny_folder(folder);
  EXPECT_EQ(count(train_once(data, folder / "clean").err, "warning:"), 0);
  fs::copy_file(picture("no-end.jpg"), folder / "photos/train/a/no-end.jpg");
  const Result result = train_once(data, folder / "run");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(count(result.err, "warning:"), 1) << result.err;
  EXPECT_EQ(count(result.err, "no-end.jpg"), 1) << result.err;
}

TEST(Data, UnreadableImagesArePassedOverOnRequest) {
  const TempFolder folder;
  const std::string data = tiny_folder(folder);
  write_text(folder / "photos/train/a/x.jpg", "no picture");
  write_text(folder / "photos/test/b/y.png", "nor this");
  const Result refused = train_once(data, folder / "run", {"--skip-bad", "1"});
  EXPECT_EQ(refused.code, 3);
  EXPECT_TRUE(one_error(refused, "x.jpg")) << refused.err;
  EXPECT_TRUE(one_error(refused, "y.png")) << refused.err;
  EXPECT_TRUE(one_error(refused, "or pass over them with --skip-bad 2")) << refused.err;
  EXPECT_FALSE(fs::exists(folder / "run"));
  const Result trained = train_once(data, folder / "run", {"--skip-bad", "2"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(count(trained.err, "warning:"), 1) << trained.err;
}

TEST(Data, ImagesAreTurnedUnlessTold) {
  const TempFolder folder;
  const std::string data = tiny_folder(folder);
  ASSERT_EQ(train_once(data, folder / "run").code, 0);
  const auto loss = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--model", (folder / "run/model.safetensors").string(),
                                      "--data", data, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = run_program("evaluate", with_side(words));
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out).at("loss").get<double>();
  };
  const double turned = loss({}), stored = loss({"--no-orient"});
  EXPECT_NE(turned, stored);
  for (const char* kind : {"a", "b"}) {  // the same picture, upright
    const fs::path test = folder / "photos/test" / kind;
    fs::remove(test / "orientation-6.jpg");
    fs::copy_file(picture("orientation-1.jpg"), test / "orientation-1.jpg");
  }
  EXPECT_EQ(loss({}), stored);
}

}  // namespace
}  // namespace trifold::apps_test
