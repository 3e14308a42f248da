/// The program export-model.
#include <gtest/gtest.h>

#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

TEST(ExportModel, WritesWhatIsAskedForOrNothing) {
  TempFolder folder;
  const std::string data = tiny_cifar(folder);
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "train", {"--epochs", "1"})).code, 0);
  const std::string model = (folder / "train" / "model.safetensors").string();
  const fs::path onnx = folder / "model.onnx", module = folder / "model.py";
  const Result both = run_program(
      "export-model", {"--model", model, "--out", onnx.string(), "--pytorch", module.string()});
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_NE(read_text(onnx).find("logits"), std::string::npos);
  EXPECT_NE(read_text(module).find("class Network(nn.Module)"), std::string::npos);

  const std::string before = read_text(onnx);
  EXPECT_EQ(run_program("export-model",
                        {"--model", model, "--out", onnx.string(), "--with-preprocessing"})
                .code,
            0);
  EXPECT_NE(read_text(onnx), before);

  const Result nothing = run_program("export-model", {"--model", model});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_TRUE(one_error(nothing, "give --out FILE")) << nothing.err;
  const Result nowhere = run_program(
      "export-model", {"--model", model, "--out", (folder / "none" / "model.onnx").string()});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_TRUE(one_error(nowhere, "none")) << nowhere.err;
  write_text(folder / "bad", "not a model");
  const Result bad = run_program("export-model", {"--model", (folder / "bad").string(), "--out",
                                                  (folder / "bad.onnx").string()});
  EXPECT_EQ(bad.code, 3);
  EXPECT_FALSE(fs::exists(folder / "bad.onnx"));
}

}  // namespace
}  // namespace trifold::apps_test
