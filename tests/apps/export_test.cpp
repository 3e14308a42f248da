/// The program export-model.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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

TEST(ExportModel, WhatIsWrittenCanBePruned) {
  TempFolder folder;
  const std::string data = tiny_cifar(folder);
  ASSERT_EQ(run_program("train", tiny_training(data, folder / "train", {"--epochs", "1"})).code, 0);
  const std::string model = (folder / "train" / "model.safetensors").string(),
                    kept = (folder / "kept.onnx").string(),
                    folded = (folder / "folded.onnx").string();
  ASSERT_EQ(
      run_program("export-model", {"--model", model, "--out", kept, "--keep-batch-norm"}).code, 0);
  ASSERT_EQ(run_program("export-model", {"--model", model, "--out", folded}).code, 0);
  const auto evaluated = [&](const std::string& file) {
    const Result result = run_program("evaluate", {"--model", file, "--data", data, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out).at("loss").get<double>();
  };
  EXPECT_EQ(evaluated(kept), evaluated(model));
  EXPECT_NEAR(evaluated(folded), evaluated(model), 1e-4);
  const auto plan = [&](const std::string& file, const std::string& out,
                        const std::string& criterion) {
    return run_program(
        "prune", {"plan", "--model", file, "--data", data, "--out", (folder / out).string(),
                  "--criterion", criterion, "--held-out", "10", "--batch", "8", "--round-to", "1",
                  "--probe-images", "100", "--rounds", "1"});
  };
  for (const auto& [file, criterion] : {std::pair(kept, "bn-scale"), std::pair(folded, "l1")}) {
    const Result planned = plan(file, criterion, criterion);
    ASSERT_EQ(planned.code, 0) << planned.err;
    EXPECT_NE(planned.err.find("3 blocks"), std::string::npos) << planned.err;
  }
}

}  // namespace
}  // namespace trifold::apps_test
