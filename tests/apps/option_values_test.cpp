/// What options take as values: empty ones, numbers that are none, bytes that no record can hold.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "apps/cli/config_file.h"
#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

// A variable of the environment, in a scope.
class Variable {
 public:
  Variable(const std::string& name, const std::string& value) : name_(name) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  std::string name_;
};

void expect_usage(const Result& result, const std::string& part) {
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_TRUE(one_error(result, part)) << part << "\n" << result.err;
}

TEST(OptionValues, AnEmptyVariableIsNoneAtAll) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const Variable lr("TRIFOLD_LR", ""), config("TRIFOLD_CONFIG", ""), out("TRIFOLD_OUT", ""),
      resume("TRIFOLD_RESUME", ""), json("TRIFOLD_JSON", ""), profile("TRIFOLD_PROFILE", ""),
      isa("TRIFOLD_ISA", ""), algorithm("TRIFOLD_CONV2D", "");
  const Result result =
      run_program("train", tiny_training(data, folder / "run", {"--epochs", "1"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_FALSE(result.out.starts_with("{")) << result.out;
  EXPECT_NE(read_text(folder / "run/config.toml").find("lr = 0.1\n"), std::string::npos);
  const Variable images("TRIFOLD_FASHION_MNIST", "");
  const Result fashion = run_program("evaluate", {"--data", "fashion-mnist", "--model",
                                                  (folder / "run/model.safetensors").string()});
  EXPECT_EQ(fashion.err.find("error: : "), std::string::npos) << fashion.err;
}

TEST(OptionValues, AnEmptyFlagOrKeyIsASentence) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder), out = (folder / "run").string();
  for (const std::string option : {"out", "lr", "epochs", "data", "seed", "schedule", "device"}) {
    const std::string part = "--" + option + " is empty; give a value";
    expect_usage(run_program("train", tiny_training(data, out, {"--" + option, ""})), part);
    expect_usage(run_program("train", tiny_training(data, out, {"--" + option + "="})), part);
    const std::string file = (folder / "c.toml").string();
    write_text(file, "\n" + option + " = \"\"\n");
    expect_usage(run_program("train", {"--config", file}),
                 "--" + option + " is empty (from " + file + ":2)");
  }
  expect_usage(run_program("prune", {"plan", "--model", "", "--data", data, "--out", out}),
               "--model is empty");
  expect_usage(run_program("evaluate", {"--model", "", "--data", data}), "--model is empty");
  expect_usage(run_program("inspect", {""}), "an argument is empty");
  expect_usage(run_program("prune", {"", "--model", "x"}), "an argument is empty");
  EXPECT_FALSE(fs::exists(out));
}

TEST(OptionValues, EmptyTakesBackWhatIsEmptyByItself) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder), file = (folder / "c.toml").string();
  write_text(file, "init = \"/no/such/model\"\npad = 1\n");
  const Result result = run_program(
      "train", tiny_training(data, folder / "run",
                             {"--epochs", "1", "--config", file, "--init", "", "--pad="}));
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string resolved = read_text(folder / "run/config.toml");
  EXPECT_EQ(resolved.find("\ninit = "), std::string::npos) << resolved;
  EXPECT_EQ(resolved.find("\npad = "), std::string::npos) << resolved;
}

TEST(OptionValues, AForgottenValueIsNotTheNextFlag) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  expect_usage(run_program("evaluate", {"--data", data, "--model", "--json"}),
               "--model needs a value, and '--json' looks like a flag");
  expect_usage(run_program("evaluate", {"--data", data, "--model"}), "--model needs a value");
  expect_usage(run_program("train", tiny_training(data, folder / "run", {"--profile", "--json"})),
               "--profile needs a value");
  expect_usage(run_program("train", tiny_training(data, folder / "run", {"--config", "--resume"})),
               "--config needs a value");
  expect_usage(run_program("train", {"--arch", "resnet8", "--out", "--data", data}),
               "write --out=--data");
  EXPECT_FALSE(fs::exists("--json"));
  // It may be the value all the same.
  const Result named = run_program("inspect", {"--arch=--json", "/no/such"});
  EXPECT_EQ(named.code, 3);
  EXPECT_TRUE(one_error(named, "/no/such")) << named.err;
}

TEST(OptionValues, HelpComesWhateverElseIsWrong) {
  const Variable config("TRIFOLD_CONFIG", "/no/such");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--lr", "", "--help"}, {"--out", "-h"}, {"--data", "--help"}}) {
    const Result help = run_program("train", words);
    EXPECT_EQ(help.code, 0) << help.err;
    EXPECT_TRUE(help.out.starts_with("Examples:\n")) << help.out;
  }
}

TEST(OptionValues, NumbersAreTakenAsTheyAreWrittenOrRefused) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  struct Case {
    const char *option, *value, *part;
  };
  const Case cases[] = {{"--seed", "-1", "-1 is out of range; it has to be between 0 and"},
                        {"--seed", "18446744073709551616", "out of range"},
                        {"--seed", "1e3", "'1e3' is not a whole number"},
                        {"--seed", "0x10", "'0x10' is not a whole number"},
                        {"--seed", " 1", "not a whole number"},
                        {"--seed", "-", "not a whole number"},
                        {"--epochs", "9223372036854775808", "out of range"},
                        {"--epochs", "2.0", "not a whole number"},
                        {"--epochs", "1,000", "not a whole number"},
                        {"--threads", "4294967297", "out of range"},
                        {"--threads", "-1", "--threads"},
                        {"--batch", "nan", "not a whole number"},
                        {"--pad", "two", "not a whole number"},
                        {"--lr", "nan", "'nan' is not a number"},
                        {"--lr", "inf", "'inf' is not a number"},
                        {"--lr", "1e999", "'1e999' is not a number"},
                        {"--lr", "0,1", "'0,1' is not a number"},
                        {"--weight-decay", "-nan", "is not a number"},
                        {"--time-limit", "nan", "is not a number"},
                        {"--memory-limit", "inf", "is not a number"},
                        {"--nesterov", "2", "'2' is neither true nor false"},
                        {"--flip", "maybe", "neither true nor false"},
                        {"--json=perhaps", "--resume", "neither true nor false"}};
  for (const Case& c : cases) {
    const std::vector<std::string> words = tiny_training(data, folder / "run", {c.option, c.value});
    const Result result = run_program("train", words);
    expect_usage(result, c.part);
    EXPECT_TRUE(one_error(result, std::string(c.option).substr(0, 6))) << result.err;
  }
  for (const Case& c : {Case{"--mean", "nan,0.5,0.5", "--mean is"},
                        {"--std", "inf,1,1", "--std is"},
                        {"--resolution", "1e1", "not a whole number"}}) {
    const bool list = std::string(c.value).find(',') != std::string::npos;
    std::vector<std::string> words = {"/no/such", c.option, c.value};
    if (list)
      words.insert(words.end(), {c.option == std::string("--mean") ? "--std" : "--mean", "1"});
    expect_usage(run_program("inspect", words), c.part);
  }
  EXPECT_FALSE(fs::exists(folder / "run"));
}

// The value of the weaker layer is not to blame.
TEST(OptionValues, AWrongValueNamesItsOrigin) {
  const TempFolder folder;
  const std::string file = (folder / "c.toml").string();
  write_text(file, "seed = 3\nepochs = -1.5\n");
  expect_usage(run_program("train", {"--config", file}), "(from " + file + ":2)");
  {
    const Variable epochs("TRIFOLD_EPOCHS", "many");
    expect_usage(run_program("train", {"--config", file}),
                 "(from the environment variable TRIFOLD_EPOCHS)");
  }
  const Result flag = run_program("train", {"--config", file, "--epochs", "few"});
  expect_usage(flag, "'few'");
  EXPECT_EQ(flag.err.find("from"), std::string::npos) << flag.err;
}

TEST(OptionValues, PruneRefusesBeforeItTrainsWhatItWouldFailAtInTheEnd) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "t", {"--epochs", "1"})).code, 0);
  const std::vector<std::vector<std::string>> wrong = {
      {"--finetune-lr", "-1", "--finetune-lr is -1"},
      {"--round-lr", "-1", "--round-lr is -1"},
      {"--warmup", "3", "--warmup is 3"},
      {"--held-out", "-5", "--held-out"},
      {"--time-limit", "-1", "--time-limit"},
      {"--bn-l1", "nan", "--bn-l1"}};
  for (const std::vector<std::string>& words : wrong) {
    const Result result =
        run_program("prune", {"run", "--model", (folder / "t/model.safetensors").string(), "--data",
                              data, "--out", (folder / "p").string(), words[0], words[1],
                              "--finetune-epochs", "3", "--round-epochs", "4"});
    expect_usage(result, words[2]);
    EXPECT_FALSE(fs::exists(folder / "p"));
  }
}

TEST(OptionValues, BytesThatNoRecordHoldsAreRefusedAtOnce) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder), out = (folder / "run").string(), odd = "\xe9t\xff";
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "t", {"--epochs", "1"})).code, 0);
  const std::string model = (folder / "t/model.safetensors").string();
  fs::rename(folder / "cifar", folder / odd);
  const std::string odd_data = "cifar10:" + (folder / odd).string();
  fs::copy_file(model, folder / (odd + ".safetensors"));
  const std::string odd_model = (folder / (odd + ".safetensors")).string();
  const std::string part = "not valid UTF-8";
  expect_usage(run_program("train", tiny_training(odd_data, out)), part);
  fs::create_symlink(folder / odd, folder / "cifar");
  expect_usage(run_program("train", tiny_training(data, (folder / odd / "run").string())), part);
  expect_usage(run_program("train", tiny_training(data, out, {"--init", odd_model})), part);
  expect_usage(run_program("train", tiny_training(data, out, {"--arch", odd})), part);
  expect_usage(run_program("train", tiny_training(data, out, {"--profile", odd_model})), part);
  {
    const Variable init("TRIFOLD_INIT", odd_model);
    const Result result = run_program("train", tiny_training(data, out));
    expect_usage(result, part);
    EXPECT_TRUE(one_error(result, "TRIFOLD_INIT")) << result.err;
  }
  const std::string file = (folder / "c.toml").string();
  write_text(file, "arch = \"" + odd + "\"\n");
  expect_usage(run_program("train", {"--config", file}), file + ":1");
  expect_usage(run_program("prune", {"plan", "--model", odd_model, "--data", data, "--out", out}),
               part);
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(folder / odd / "run"));

  // The name of the current folder is a part of a relative path, and of no other.
  const fs::path before = fs::current_path();
  fs::create_directories(folder / "here\xff");
  fs::current_path(folder / "here\xff");
  expect_usage(run_program("train", tiny_training("cifar10:../cifar", "run")), part);
  const Result absolute = run_program("train", tiny_training(data, "run", {"--epochs", "1"}));
  fs::current_path(before);
  EXPECT_EQ(absolute.code, 0) << absolute.err;

  // What only reads keeps no records.
  EXPECT_EQ(run_program("evaluate", {"--model", odd_model, "--data", odd_data}).code, 0);
  EXPECT_EQ(run_program("inspect", {odd_model, "--json"}).code, 0);
}

TEST(OptionValues, ARunGoesOnFromAnyName) {
  const TempFolder folder;
  tiny_cifar(folder);
  for (const std::string name : {"a\x01\x1f\x7f", "line\nbreak", "quo\"te\\n", "ta\tb", "1.50",
                                 "true", "\xc3\xa9t\xc3\xa9 \xe5\xad\x97", "[a]", "{}", "a=b"}) {
    fs::create_directory(folder / name);
    fs::copy(folder / "cifar", folder / name / "set", fs::copy_options::recursive);
    const fs::path out = folder / name / name;
    const std::string data = "cifar10:" + (folder / name / "set").string();
    const Result stopped = run_program("train", tiny_training(data, out, {"--time-limit", "1e-5"}));
    ASSERT_EQ(stopped.code, 75) << name << stopped.err;
    const Result rest = run_program("train", {"--out", out.string(), "--resume"});
    EXPECT_EQ(rest.code, 0) << name << rest.err;
  }
}

TEST(ConfigFile, EmptyIsAConfiguration) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  int i = 0;
  for (const std::string text : {"", "\n", "# nothing\n", "\xef\xbb\xbf"}) {
    write_text(folder / "c.toml", text);
    const Result result = run_program(
        "train", tiny_training(data, folder / std::to_string(i++),
                               {"--epochs", "1", "--config", (folder / "c.toml").string()}));
    EXPECT_EQ(result.code, 0) << "'" << text << "' " << result.err;
  }
  const Result none = run_program(
      "train", tiny_training(data, folder / "null", {"--epochs", "1", "--config", "/dev/null"}));
  EXPECT_EQ(none.code, 0) << none.err;
  expect_usage(run_program("train", {"--config", (folder / "cifar").string()}), "can't be read");
}

TEST(ConfigFile, GivesBackEveryValueToTheLetter) {
  const TempFolder folder;
  const std::string file = (folder / "c.toml").string();
  std::vector<std::string> values = {"0",
                                     "-0",
                                     "007",
                                     "1.0",
                                     "1.50",
                                     "1e5",
                                     "1e-05",
                                     "0.1",
                                     "true",
                                     "True",
                                     "inf",
                                     "nan",
                                     "",
                                     " ",
                                     "18446744073709551615",
                                     "-9223372036854775808",
                                     "1e400",
                                     "a\"b",
                                     "a\\b",
                                     "\n\r\t\b\f\x7f",
                                     "#",
                                     "'''",
                                     "\"\"\""};
  std::mt19937 random(3);
  const std::string signs = "01.-eE\"\\'\n\t\x02\x7f#= \xc3\xa9";  // e acute comes whole, last
  for (int i = 0; i < 500; ++i) {
    std::string value;
    for (std::uint32_t k = random() % 8; k > 0; --k) value += signs[random() % (signs.size() - 2)];
    values.push_back(random() % 4 == 0 ? value + "\xc3\xa9" : value);
  }
  for (const std::string& value : values) {
    write_text(file, "key = " + apps::toml_value(value) + "\n");
    const std::vector<apps::ConfigEntry> read = apps::read_config_file(file, {"key"});
    ASSERT_EQ(read.size(), 1u);
    EXPECT_EQ(read[0].value, value) << apps::toml_value(value);
  }
}

}  // namespace
}  // namespace trifold::apps_test
