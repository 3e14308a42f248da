/// The programs on a CUDA device, at a size that the emulator can bear.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/runtime/memory.h"
#include "tests/apps/programs.h"
#include "tests/apps/records.h"

namespace trifold::apps_test {
namespace {

struct CudaPrograms : testing::Test {
  TempFolder folder;
  std::string data = tiny_idx(folder);

  void SetUp() override {
    if (kernels::device_count(DeviceKind::cuda) == 0) {
      GTEST_SKIP() << "this build, or this machine, has no CUDA device";
    }
  }

  /// A training of two epochs of two steps; more flags may follow.
  Result train(const std::string& name, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {
        "--arch", "resnet8", "--data", data,        "--epochs", "2",     "--batch",
        "16",     "--lr",    "0.01",   "--threads", "1",        "--out", (folder / name).string()};
    words.insert(words.end(), more.begin(), more.end());
    return run_program("train", words);
  }

  /// The training losses of the epochs of a run.
  std::vector<double> losses(const std::string& name) const {
    std::vector<double> all;
    std::istringstream lines(read_text(folder / name / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      all.push_back(nlohmann::json::parse(line).at("train_loss").get<double>());
    }
    return all;
  }
};

TEST_F(CudaPrograms, TrainInEveryPrecision) {
  for (const std::string precision : {"fp32", "tf32", "bf16"}) {
    const Result result = train(precision, {"--device", "cuda", "--precision", precision});
    ASSERT_EQ(result.code, 0) << precision << ": " << result.err;
  }
  const Result on_cpu = train("cpu", {"--device", "cpu"});
  ASSERT_EQ(on_cpu.code, 0) << on_cpu.err;
  const std::vector<double> expected = losses("fp32");
  ASSERT_EQ(expected.size(), 2u);
  const bool tensor_cores = kernels::has_tensor_cores({DeviceKind::cuda, 0});
  // What rounding the factors of a product to 24, 11 or 8 bits may change in four steps.
  const auto expect_close = [&](const std::string& name, double relative) {
    const std::vector<double> found = losses(name);
    ASSERT_EQ(found.size(), expected.size()) << name;
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], relative * expected[i]) << name << ", epoch " << i + 1;
    }
  };
  expect_close("cpu", 1e-4);
  expect_close("tf32", 3e-3);
  expect_close("bf16", 2e-2);
  EXPECT_EQ(losses("tf32") != expected, tensor_cores);
  EXPECT_EQ(losses("bf16") != expected, tensor_cores);
}

TEST_F(CudaPrograms, AGraphTrainsTheSameNetworkOrSaysWhyNot) {
  ASSERT_EQ(train("plain", {"--device", "cuda", "--epochs", "3"}).code, 0);
  setenv("TRIFOLD_CUDA_GRAPH", "1", 1);
  const Result recorded = train("graph", {"--device", "cuda", "--epochs", "3"});
  unsetenv("TRIFOLD_CUDA_GRAPH");
  ASSERT_EQ(recorded.code, 0) << recorded.err;
  EXPECT_EQ(recorded.err.find("no CUDA graph"), std::string::npos) << recorded.err;
  // A wait for every kernel can't be recorded.
  setenv("TRIFOLD_CUDA_SYNC", "1", 1);
  const Result waiting =
      train("waiting", {"--device", "cuda", "--epochs", "3", "--cuda-graph", "true"});
  unsetenv("TRIFOLD_CUDA_SYNC");
  ASSERT_EQ(waiting.code, 0) << waiting.err;
  const std::size_t said = waiting.err.find("no CUDA graph: ");
  EXPECT_NE(said, std::string::npos) << waiting.err;
  EXPECT_EQ(waiting.err.find("no CUDA graph: ", said + 1), std::string::npos) << waiting.err;
  for (const char* name : {"graph", "waiting"}) {
    EXPECT_TRUE(read_text(folder / "plain" / "model.safetensors") ==
                read_text(folder / name / "model.safetensors"))
        << name;
  }
}

TEST_F(CudaPrograms, RanksTrainOnADeviceEach) {
#ifdef SIMT_EMULATED
  setenv("SIMT_DEVICES", "2", 1);
#else
  if (kernels::device_count(DeviceKind::cuda) < 2) GTEST_SKIP() << "there is one CUDA device";
#endif
  const auto train_on = [&](const std::string& name, const std::string& ranks) {
    const Result result =
        train(name, {"--device", "cuda", "--shards", "4", "--ranks", ranks, "--threads", "2"});
    EXPECT_EQ(result.code, 0) << result.err;
    return read_text(folder / name / "model.safetensors");
  };
  const std::string alone = train_on("alone", "1"), linked = train_on("linked", "2");
  setenv("TRIFOLD_NCCL", "0", 1);
  const std::string by_host = train_on("by_host", "2");
  unsetenv("TRIFOLD_NCCL");
  EXPECT_FALSE(alone.empty());
  EXPECT_TRUE(alone == linked);
  EXPECT_TRUE(alone == by_host);
  const Result more = train("more", {"--device", "cuda", "--ranks", "4"});
  EXPECT_EQ(more.code, 2);
  EXPECT_TRUE(one_error(more, "give fewer --ranks")) << more.err;
  unsetenv("SIMT_DEVICES");
}

TEST_F(CudaPrograms, RefuseAnUnknownProvider) {
  setenv("TRIFOLD_CUDA_PROVIDER", "mkl", 1);
  const Result refused = train("refused", {"--device", "cuda"});
  unsetenv("TRIFOLD_CUDA_PROVIDER");
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(one_error(refused, "cublas, cudnn or both")) << refused.err;
}

TEST_F(CudaPrograms, PruneFromEndToEnd) {
  const Result trained = train("train", {"--device", "cuda", "--epochs", "1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const fs::path out = folder / "run";
  const Result result =
      run_program("prune", tiny_pruning("run", folder / "train" / "model.safetensors", data, out,
                                        {"--held-out", "8", "--batch", "20", "--device", "cuda"}));
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* file : {"model.safetensors", "pruned.safetensors", "report.html"}) {
    EXPECT_TRUE(fs::exists(out / file)) << file;
  }
  const auto steps = steps_of(out);
  const double original = steps.at("apply").at("original").at("macs").get<double>();
  const auto& finetuned = steps.at("finetune").at("finetuned");
  EXPECT_LE(finetuned.at("macs").get<double>(), 0.5 * original);

  // The CPU finds the accuracy that the device has measured.
  const Result evaluated = run_program("evaluate", {"--model", (out / "model.safetensors").string(),
                                                    "--data", data, "--threads", "1", "--json"});
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_NEAR(nlohmann::json::parse(evaluated.out).at("top1").get<double>(),
              finetuned.at("test").get<double>(), 100.0 / 16 + 1e-6);
}

}  // namespace
}  // namespace trifold::apps_test
