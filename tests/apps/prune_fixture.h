/// A tiny trained network, and the arguments of a tiny run of prune on it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/apps/programs.h"

namespace trifold::apps_test {

struct Prune : testing::Test {
  TempFolder folder;
  std::string data = tiny_cifar(folder);
  fs::path model_file = folder / "train" / "model.safetensors";

  void SetUp() override {
    const Result trained =
        run_program("train", {"--arch", "resnet14", "--data", data, "--epochs", "1", "--batch", "6",
                              "--threads", "1", "--out", (folder / "train").string()});
    ASSERT_EQ(trained.code, 0) << trained.err;
  }

  std::vector<std::string> arguments(const std::string& stage, const fs::path& out,
                                     const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {stage,
                                      "--model",
                                      model_file.string(),
                                      "--data",
                                      data,
                                      "--out",
                                      out.string(),
                                      "--target",
                                      "0.5",
                                      "--rounds",
                                      "2",
                                      "--round-epochs",
                                      "1",
                                      "--finetune-epochs",
                                      "2",
                                      "--held-out",
                                      "10",
                                      "--batch",
                                      "8",
                                      "--bn-batches",
                                      "2",
                                      "--probe-images",
                                      "100",
                                      "--threads",
                                      "1"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

}  // namespace trifold::apps_test
