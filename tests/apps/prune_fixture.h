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
    std::vector<std::string> own = {"--finetune-epochs", "2", "--bn-batches", "2"};
    own.insert(own.end(), more.begin(), more.end());
    return tiny_pruning(stage, model_file, data, out, own);
  }
};

}  // namespace trifold::apps_test
