#include <gtest/gtest.h>

#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

void expect_error(const Result& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_TRUE(one_error(result, part)) << result.err;
}

TEST(CommandLine, HelpBeginsWithExamplesAndVersionTellsTheBuild) {
  for (const char* program : {"train", "evaluate", "inspect"}) {
    const Result help = run_program(program, {"--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_TRUE(help.out.starts_with("Examples:\n")) << help.out;
    const Result version = run_program(program, {"--version"});
    EXPECT_EQ(version.code, 0);
    EXPECT_NE(version.out.find("CUDA"), std::string::npos) << version.out;
  }
}

TEST(CommandLine, AnUnknownFlagNamesTheNearest) {
  expect_error(run_program("train", {"--epoch", "3"}), 2, "'--epochs'");
}

TEST(CommandLine, AMissingOptionAndABadValueAreUsageErrors) {
  expect_error(run_program("evaluate", {}), 2, "--model is missing");
  expect_error(run_program("train", {"--data", "fashion-mnist", "--epochs", "many"}), 2,
               "--epochs");
  expect_error(run_program("train", {"--data", "mnist9", "--arch", "resnet8"}), 2, "fashion-mnist");
}

TEST(CommandLine, ADeviceThatIsNotThereIsARunTimeFailure) {
  expect_error(run_program("train", {"--data", "fashion-mnist", "--device", "cuda:99"}), 1,
               "--device cpu");
}

TEST(CommandLine, AnUnknownDeviceIsAUsageError) {
  for (const char* device : {"gpu", "cuda0", "cuda:", "cuda:1x", "cuda:-", "cp"}) {
    expect_error(run_program("train", {"--data", "fashion-mnist", "--device", device}), 2,
                 "cpu and cuda[:N]");
  }
}

TEST(CommandLine, AnUnknownPrecisionIsAUsageError) {
  expect_error(run_program("train", {"--data", "fashion-mnist", "--precision", "fp8"}), 2,
               "fp32, tf32 or bf16");
}

TEST(CommandLine, AnUnknownKeyNamesFileLineAndNearest) {
  const TempFolder folder;
  const std::string file = (folder / "c.toml").string();
  write_text(file, "seed = 1\nepochz = 3\n");
  expect_error(run_program("train", {"--config", file}), 2,
               file + ":2: unknown key 'epochz'; the nearest is 'epochs'");
  write_text(file, "epochs = = 3\n");
  expect_error(run_program("train", {"--config", file}), 2, file + ":1");
  write_text(file, "[epochs]\n");
  expect_error(run_program("train", {"--config", file}), 2, "'epochs'");
  expect_error(run_program("train", {"--config", "/no/such.toml"}), 2, "/no/such.toml");
}

// The wrong value of each layer tells in the error which layer was used.
TEST(CommandLine, FlagsComeBeforeEnvironmentBeforeFile) {
  const TempFolder folder;
  const std::string file = (folder / "c.toml").string();
  write_text(file, "device = \"file\"\ndata = \"fashion-mnist\"\narch = \"resnet8\"\n");
  expect_error(run_program("train", {"--config", file}), 2, "'file'");
  setenv("TRIFOLD_DEVICE", "environment", 1);
  const Result environment = run_program("train", {"--config", file});
  const Result flag = run_program("train", {"--config", file, "--device", "flag"});
  unsetenv("TRIFOLD_DEVICE");
  expect_error(environment, 2, "'environment'");
  expect_error(flag, 2, "'flag'");
}

TEST(BadInput, IsOneSentenceAndExitCode3) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  expect_error(run_program("inspect", {"/no/such.safetensors"}), 3, "/no/such.safetensors");

  ASSERT_EQ(run_program("train", tiny_training(data, folder / "run", {"--epochs", "1"})).code, 0);
  const std::string model = read_text(folder / "run/model.safetensors");
  const std::string cut = (folder / "cut.safetensors").string();
  for (const std::size_t size : {std::size_t{5}, std::size_t{100}, model.size() - 1}) {
    write_text(cut, model.substr(0, size));
    expect_error(run_program("inspect", {cut}), 3, cut);
    expect_error(run_program("evaluate", {"--model", cut, "--data", data}), 3, cut);
  }

  write_text(folder / "cifar/test_batch.bin", std::string(3072, '\0'));
  expect_error(run_program("train", tiny_training(data, folder / "x")), 3, "test_batch.bin");

  fs::create_directories(folder / "idx");
  write_text(folder / "idx/train-images-idx3-ubyte", std::string(64, '\7'));
  expect_error(
      run_program("train", tiny_training("idx:" + (folder / "idx").string(), folder / "x")), 3,
      "train-images-idx3-ubyte");
  EXPECT_FALSE(fs::exists(folder / "x"));
}

}  // namespace
}  // namespace trifold::apps_test
