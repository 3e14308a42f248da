#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

using nlohmann::json;

TEST(Inspect, DescribesATrainedModel) {
  const TempFolder folder;
  const fs::path out = folder / "run";
  ASSERT_EQ(run_program("train", tiny_training(tiny_cifar(folder), out, {"--epochs", "1"})).code,
            0);
  const std::string file = (out / "model.safetensors").string();
  const Result result = run_program("inspect", {file, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json d = json::parse(result.out);
  // ResNet-8 with shortcut A by hand: stem 3*16*9*32^2; stage 1: 2 * 16*16*9*32^2; stages 2 and 3:
  // half as many for the strided convolution and as many for the other; classifier 64*10.
  const std::int64_t stem = 3 * 16 * 9 * 1024, full = 16 * 16 * 9 * 1024;
  const std::int64_t macs = stem + 2 * full + 2 * (full / 2 + full) + 640;
  EXPECT_EQ(d.at("macs"), macs);
  EXPECT_EQ(d.at("flops"), 2 * macs);
  EXPECT_EQ(d.at("arch"), "resnet8");
  EXPECT_EQ(d.at("classes"), 10);
  EXPECT_EQ(d.at("side"), 32);
  EXPECT_EQ(d.at("bytes"), fs::file_size(file));
  EXPECT_EQ(d.at("provenance").at(0).at("step"), "train");
  for (const json& layer : d.at("layers")) {
    EXPECT_EQ(layer.contains("window"), layer.at("op") == "conv2d");
    if (layer.at("name") != "layer2.0.conv1") continue;
    EXPECT_EQ(layer.at("window"), 3);
    EXPECT_EQ(layer.at("stride"), 2);
    EXPECT_EQ(layer.at("pad"), 1);
  }

  const Result text = run_program("inspect", {file});
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find("layer1.0.conv1"), std::string::npos) << text.out;
}

}  // namespace
}  // namespace trifold::apps_test
