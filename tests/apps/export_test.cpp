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

  // The batch norms that were folded away are measured anew: the same answers, and scales again.
  const Result unfolded =
      run_program("prune", tiny_pruning("run", folded, data, folder / "run", {"--onnx"}));
  ASSERT_EQ(unfolded.code, 0) << unfolded.err;
  EXPECT_NE(unfolded.err.find("7 convolutions of " + folded), std::string::npos) << unfolded.err;
  const auto inspected = [](const fs::path& file) {
    return nlohmann::json::parse(run_program("inspect", {file.string(), "--json"}).out);
  };
  const nlohmann::json described = inspected(folder / "run" / "model.safetensors");
  EXPECT_LE(described.at("macs").get<double>(), 0.5 * inspected(model).at("macs").get<double>());
  const nlohmann::json history = described.at("provenance");
  EXPECT_TRUE(std::ranges::any_of(
      history, [](const nlohmann::json& entry) { return entry.at("step") == "unfold"; }));
  const Result other =
      run_program("prune", {"fit", "--out", (folder / "run").string(), "--unfold", "false"});
  EXPECT_EQ(other.code, 2);
  const Result tuned = run_program(
      "train", {"--init", folded, "--data", data, "--epochs", "1", "--lr", "0", "--batch", "6",
                "--threads", "1", "--out", (folder / "tuned").string()});
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_EQ(inspected(folder / "tuned" / "model.safetensors").at("params"),
            inspected(model).at("params"));
  const Result plain =
      run_program("prune", tiny_pruning("plan", folded, data, folder / "plain",
                                        {"--unfold", "false", "--dimensions", "depth,resolution"}));
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(plain.err.find("batch norm"), std::string::npos) << plain.err;
  const Result wide = run_program(
      "prune", tiny_pruning("plan", folded, data, folder / "wide", {"--unfold", "false"}));
  EXPECT_EQ(wide.code, 2);
  EXPECT_TRUE(one_error(wide, "give --criterion l1")) << wide.err;
}

}  // namespace
}  // namespace trifold::apps_test
