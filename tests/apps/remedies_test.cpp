/// What the programs add to the libraries' sentences: the flag that helps.
#include <gtest/gtest.h>

#include "engine/safetensors.h"
#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

using Words = std::vector<std::string>;

TEST(Remedies, NameTheFlagsOfModelFiles) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const Result trained =
      run_program("train", {"--arch", "resnet14", "--data", data, "--epochs", "1", "--batch", "30",
                            "--threads", "1", "--out", (folder / "run").string()});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::string own = (folder / "run/model.safetensors").string();
  const std::string plain = (folder / "plain.safetensors").string();
  engine::write_safetensors(plain, {}, engine::read_safetensors(own).tensors);

  const auto expect = [&](const std::string& file, const Words& more, int code,
                          const std::string& part) {
    Words words{"--model", file, "--data", data, "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = run_program("evaluate", words);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_TRUE(one_error(result, part)) << result.err;
  };
  const std::string numbers = "; give --mean and --std, a number for each channel";
  const Words grey{"--mean", "0.5", "--std", "0.5"};
  const Words colours{"--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"};
  const auto with = [](Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  expect(plain, {}, 2, "; give --arch (such as resnet20)");
  expect(plain, {"--arch", "resnet14"}, 2, numbers);
  expect(plain, with({"--arch", "resnet14"}, grey), 2, numbers);
  expect(plain, with({"--arch", "resnet8"}, colours), 3, "; is --arch right?");
  expect(own, {"--arch", "resnet8"}, 2, "; leave --arch out");
  expect(own, {"--mean", "120,120,120", "--std", "50,50,50"}, 2, numbers);

  // --init reads a file with the same flags.
  const Result init = run_program("train", {"--init", plain, "--data", data, "--threads", "1",
                                            "--out", (folder / "tuned").string()});
  EXPECT_EQ(init.code, 2) << init.err;
  EXPECT_TRUE(one_error(init, "; give --arch (such as resnet20)")) << init.err;
}

}  // namespace
}  // namespace trifold::apps_test
