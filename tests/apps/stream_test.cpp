/// What the programs make of image folders that they stream.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/programs.h"
#include "tests/nn/data/image_support.h"

namespace trifold::apps_test {
namespace {

using nlohmann::json;

/// 20 training and 6 test pictures of 20 x 26 pixels in each of two classes.
struct Stream : testing::Test {
  TempFolder folder;
  std::string data = "folder:" + (folder / "pictures").string();

  Stream() {
    for (const std::string split : {"train", "test"}) {
      for (const std::string name : {"dark", "light"}) {
        fs::create_directories(folder / "pictures" / split / name);
        for (std::size_t i = 0; i < (split == "train" ? 20 : 6); ++i) {
          nn::Image image = nn::testing::gradient(20, 26, 3);
          for (std::size_t p = 0; p < image.pixels.size(); ++p) {
            const int noise = static_cast<int>((p * 7919 + i * 31) % 40);
            image.pixels[p] =
                static_cast<std::uint8_t>(image.pixels[p] / 2 + noise + (name == "light" ? 80 : 0));
          }
          const auto bytes = nn::testing::encode_png(image, SPNG_COLOR_TYPE_TRUECOLOR);
          write_text(picture(split, name, i), {bytes.begin(), bytes.end()});
        }
      }
    }
  }
  fs::path picture(const std::string& split, const std::string& name, std::size_t i) const {
    return folder / "pictures" / split / name / (std::to_string(i) + ".png");
  }
  Result train(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"--epochs", "2", "--image-side", "12"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program("train", tiny_training(data, folder / out, words));
  }
  std::string file(const std::string& run, const std::string& name = "model.safetensors") const {
    return read_text(folder / run / name);
  }
  void expect_equal_runs(const std::string& a, const std::string& b) const {
    EXPECT_FALSE(file(a).empty());
    EXPECT_TRUE(file(a) == file(b)) << b;
    EXPECT_EQ(file(a, "summary.csv"), file(b, "summary.csv"));
  }
  void expect_refused(int code, const std::string& part, const std::vector<std::string>& more) {
    const Result result = train("refused", more);
    EXPECT_EQ(result.code, code) << part << "\n" << result.err;
    EXPECT_TRUE(one_error(result, part)) << result.err;
    EXPECT_FALSE(fs::exists(folder / "refused")) << part;
  }
};

TEST_F(Stream, ChangesNothingButTheMemoryThatIsTaken) {
  ASSERT_EQ(train("held", {"--stream", "off"}).code, 0);
  for (const auto& [out, flags] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"streamed", {"--stream", "on"}},
           {"on 3 threads", {"--stream", "on", "--threads", "3"}},
           {"cached", {"--image-cache", (folder / "cache").string()}},
           {"cached again", {"--image-cache", (folder / "cache").string()}},
           {"small", {}}}) {
    const Result result = train(out, flags);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err.find("note:"), std::string::npos) << result.err;
    expect_equal_runs("held", out);
  }
  // 52 images of 432 bytes are more than 0.00001 GiB, which is 10,737 bytes.
  const Result large = train("large", {"--memory-limit", "0.00001"});
  ASSERT_EQ(large.code, 0) << large.err;
  EXPECT_NE(large.err.find("note: the images of " + data + " are streamed"), std::string::npos);
  expect_equal_runs("held", "large");
  const std::string cache = (folder / "cache").string();
  expect_refused(2, "leave out --crop resized", {"--image-cache", cache, "--crop", "resized"});
  expect_refused(2, "leave out --stream off", {"--image-cache", cache, "--stream", "off"});
  expect_refused(2, "leave out --skip-bad", {"--image-cache", cache, "--skip-bad", "1"});
  expect_refused(2, "give three numbers from 0 on", {"--color-jitter", "0.4,0.4"});
  expect_refused(2, "give three numbers from 0 on", {"--color-jitter", "0.4,0.4,-1"});
  expect_refused(2, "give three numbers from 0 on", {"--color-jitter", "0.4,0.4,0.4,-0.1"});
  expect_refused(2, "give three numbers from 0 on", {"--color-jitter", "0.4,0.4,0.4,0.1,0"});
  expect_refused(2, "for the hue a fourth from 0 to 0.5", {"--color-jitter", "0.4,0.4,0.4,0.6"});
  expect_refused(2, "needs --augment true", {"--color-jitter", "1,1,1", "--augment", "false"});
  // Colours are a part of what a run may go on with.
  const std::string colors = "1,1,1,0.5";
  ASSERT_EQ(train("colours", {"--color-jitter", colors, "--time-limit", "0.00001"}).code, 75);
  for (const char* changed : {"1,1,0,0.5", "1,1,1,0.25", "1,1,1"}) {
    const Result other = train("colours", {"--color-jitter", changed, "--resume"});
    EXPECT_EQ(other.code, 2);
    EXPECT_TRUE(one_error(other, "give the same --color-jitter and --augment")) << other.err;
  }
  EXPECT_EQ(train("colours", {"--color-jitter", colors, "--resume"}).code, 0);
  expect_refused(2, "or stream them with --stream on",
                 {"--memory-limit", "0.00001", "--stream", "off"});

  json figures;
  for (const char* stream : {"on", "off"}) {
    const Result result =
        run_program("evaluate", {"--model", (folder / "held/model.safetensors").string(), "--data",
                                 data, "--stream", stream, "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    json found = json::parse(result.out);
    found.erase("images_per_s");
    if (figures.is_null()) figures = found;
    EXPECT_EQ(found, figures);
    EXPECT_EQ(found.at("images"), 12);
  }
}

TEST_F(Stream, ResizedCropsGoOnAfterAStopWithTheSameBits) {
  const std::vector<std::string> windows = {"--crop", "resized"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = windows;
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const Result whole = train("whole", windows);
  ASSERT_EQ(whole.code, 0) << whole.err;
  ASSERT_EQ(train("padded").code, 0);
  EXPECT_NE(file("whole"), file("padded"));
  ASSERT_EQ(train("by two", with({"--threads", "2"})).code, 0);
  expect_equal_runs("whole", "by two");

  ASSERT_EQ(train("stopped", with({"--time-limit", "0.00001"})).code, 75);
  const auto go_on = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--out", (folder / "stopped").string(), "--resume"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program("train", words);
  };
  const Result other = go_on({"--crop", "pad", "--pad", "0"});
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "give the same --crop,")) << other.err;
  const Result rest = go_on({});
  ASSERT_EQ(rest.code, 0) << rest.err;
  expect_equal_runs("whole", "stopped");

  ASSERT_EQ(train("held", {"--time-limit", "0.00001"}).code, 75);
  const Result streamed = train("held", {"--stream", "on", "--resume"});
  EXPECT_EQ(streamed.code, 2);
  EXPECT_TRUE(one_error(streamed, "give the same --stream, as on or off,")) << streamed.err;
}

TEST_F(Stream, RanksReadTheirShardsOfIt) {
  const std::vector<std::string> windows = {"--crop", "resized", "--shards", "2", "--threads", "2"};
  ASSERT_EQ(train("alone", windows).code, 0);
  std::vector<std::string> two = windows;
  two.insert(two.end(), {"--ranks", "2"});
  const Result result = train("two", two);
  ASSERT_EQ(result.code, 0) << result.err;
  expect_equal_runs("alone", "two");

  // One of them alone meets the picture.
  write_text(picture("train", "light", 11), "no picture");
  two.insert(two.end(), {"--init", (folder / "alone/model.safetensors").string()});
  const Result broken = train("broken", two);
  EXPECT_EQ(broken.code, 3);
  EXPECT_TRUE(one_error(broken, "rank 1 of 2 has ended with exit code 3 (")) << broken.err;
  EXPECT_TRUE(one_error(broken, "train/light/11.png: it is neither a JPEG nor a PNG file; mend"))
      << broken.err;
}

TEST_F(Stream, AnImageThatCantBeReadIsOneSentenceWhenItIsMet) {
  write_text(picture("train", "light", 11), "no picture");
  const Result result = train("run", {"--stream", "on"});
  EXPECT_EQ(result.code, 3) << result.err;
  EXPECT_TRUE(one_error(result,
                        "train/light/11.png: it is neither a JPEG nor a PNG file; mend or "
                        "remove it\n"))
      << result.err;
}

TEST_F(Stream, IsPrunedToo) {
  ASSERT_EQ(train("base").code, 0);
  const fs::path model = folder / "base/model.safetensors";
  const auto prune = [&](const std::string& out, const std::vector<std::string>& more) {
    const Result result =
        run_program("prune", tiny_pruning("run", model, data, folder / out, more));
    EXPECT_EQ(result.code, 0) << result.err;
  };
  prune("held", {});
  prune("streamed", {"--stream", "on"});
  expect_equal_runs("held", "streamed");
  prune("windows", {"--crop", "resized"});
  EXPECT_TRUE(file("held") != file("windows"));
  const json settings = json::parse(file("windows", "journal.json")).at("settings");
  EXPECT_EQ(settings.at("crop"), "resized");
  EXPECT_EQ(settings.at("streamed"), true);
}

TEST_F(Stream, SaysWhatDoesNotGoWithIt) {
  expect_refused(2, "--pad is for --crop pad", {"--crop", "resized", "--pad", "2"});
  expect_refused(2, "leave out --stream off", {"--crop", "resized", "--stream", "off"});
  expect_refused(2, "--stream on reads them as they are needed",
                 {"--stream", "on", "--skip-bad", "1"});
  expect_refused(2, "--crop resized reads them as they are needed",
                 {"--crop", "resized", "--skip-bad", "1"});
  expect_refused(2, "--stream", {"--stream", "always"});
  expect_refused(2, "--crop", {"--crop", "random"});
  const std::string cifar = tiny_cifar(folder);
  expect_refused(2, "--stream on is for images in files of their own, folder:DIR",
                 {"--data", cifar, "--stream", "on"});
  expect_refused(2, "--crop resized is for images in files of their own, folder:DIR",
                 {"--data", cifar, "--crop", "resized"});
  // Without any augmentation, there are no crops.
  const Result plain = train("plain", {"--crop", "resized", "--augment", "false", "--epochs", "1"});
  EXPECT_EQ(plain.code, 0) << plain.err;
}

}  // namespace
}  // namespace trifold::apps_test
