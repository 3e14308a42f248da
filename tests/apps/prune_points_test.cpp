/// How prune measures its points, trains its result, and compares it with other choices.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/safetensors.h"
#include "tests/apps/prune_fixture.h"
#include "tests/apps/records.h"

namespace trifold::apps_test {
namespace {

TEST_F(Prune, TrainsScalesOnceAndCutsEveryPointFromThere) {
  const fs::path out = folder / "run";
  const Result result =
      run_program("prune", arguments("run", out,
                                     {"--sparsity-epochs", "1", "--bn-l1", "1", "--off-axes", "8",
                                      "--repeats", "1", "--finalists", "2", "--round-to", "4"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto sum_of_scales = [](const fs::path& file) {
    double sum = 0;
    for (const auto& [name, tensor] : engine::read_safetensors(file).tensors) {
      if (!name.ends_with("bn1.weight") && !name.ends_with("bn2.weight")) continue;
      const engine::Tensor values = engine::read_safetensors(file).floats(name);
      for (float gamma : values.values()) sum += std::abs(gamma);
    }
    return sum;
  };
  EXPECT_LT(sum_of_scales(out / "base.safetensors"), 0.99 * sum_of_scales(model_file));

  const auto steps = steps_of(out);
  std::set<std::array<double, 3>> joint;
  std::size_t joint_points = 0;
  for (const auto& [step, point] : steps.items()) {
    if (!step.starts_with("collect/joint-")) continue;
    ++joint_points;
    const std::array<double, 3> at{point.at("d"), point.at("w"), point.at("r")};
    EXPECT_GE(std::ranges::count_if(at, [](double x) { return x < 1; }), 2) << step;
    joint.insert(at);
  }
  EXPECT_GE(joint_points, 2);
  EXPECT_EQ(joint.size(), joint_points) << "a place is measured once";
  EXPECT_NE(steps.at("collect/original-0").at("curve"), steps.at("collect/original-1").at("curve"))
      << "a repeat has a seed of its own";
  EXPECT_TRUE(steps.contains("finalist/2"));
}

TEST_F(Prune, LearnsFromTheOriginalWhereAsked) {
  const std::vector<std::string> taught = {"--dimensions", "resolution", "--teacher-weight", "0.9"};
  const fs::path with = folder / "with", without = folder / "without";
  const Result result = run_program("prune", arguments("run", with, taught));
  ASSERT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(run_program("prune", arguments("run", without, {"--dimensions", "resolution"})).code,
            0);
  const auto steps = [](const fs::path& out) { return steps_of(out); };
  EXPECT_EQ(steps(with).at("collect/resolution-1"), steps(without).at("collect/resolution-1"));
  EXPECT_NE(steps(with).at("finetune").at("curve"), steps(without).at("finetune").at("curve"));
  const Result other =
      run_program("prune", arguments("plan", folder / "c", {"--teacher-weight", "1.5"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "--teacher-weight")) << other.err;
}

TEST_F(Prune, ResizesAsTheOriginalDoesOrAsAsked) {
  const auto run = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--dimensions", "resolution"};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = run_program("prune", arguments("run", folder / name, words));
    EXPECT_EQ(result.code, 0) << result.err;
    return steps_of(folder / name);
  };
  const nlohmann::json usual = run("antialias", {}), plain = run("plain", {"--resize", "plain"});
  EXPECT_EQ(usual.at("collect/original-0").at("raw"), plain.at("collect/original-0").at("raw"));
  EXPECT_NE(usual.at("collect/resolution-1").at("curve"),
            plain.at("collect/resolution-1").at("curve"));
  EXPECT_NE(read_text(folder / "plain" / "report.md").find("(half-pixel centres), plain"),
            std::string::npos);
  const Result result =
      run_program("inspect", {(folder / "plain" / "model.safetensors").string(), "--json"});
  EXPECT_EQ(nlohmann::json::parse(result.out).at("resize"), "plain");
  // A run keeps to its way.
  const Result other =
      run_program("prune", {"fit", "--out", (folder / "plain").string(), "--resize", "antialias"});
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "resize")) << other.err;
}

TEST_F(Prune, HealsWithoutTheWarmUpThatOtherTrainingsHave) {
  // The healing is one epoch long, which a warm-up of one would fill.
  const Result result =
      run_program("prune", arguments("run", folder / "run",
                                     {"--dimensions", "resolution", "--warmup", "1",
                                      "--sparsity-epochs", "1", "--round-epochs", "2"}));
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(Prune, DecidesOnTestImagesWhereAsked) {
  const fs::path out = folder / "run";
  const Result result = run_program(
      "prune", arguments("run", out, {"--held-out-from", "test", "--dimensions", "resolution"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string report = read_text(out / "report.md");
  EXPECT_NE(report.find("10 test images are set aside"), std::string::npos) << report;
  const fs::path file = folder / "cifar" / "test_batch.bin";
  std::string images = read_text(file);
  images[100] = static_cast<char>(images[100] ^ 1);
  write_text(file, images);
  const Result changed = run_program("prune", {"solve", "--out", out.string()});
  EXPECT_EQ(changed.code, 2);
  EXPECT_TRUE(one_error(changed, "other test images")) << changed.err;
  const Result other =
      run_program("prune", arguments("plan", folder / "b", {"--held-out-from", "x"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(one_error(other, "--held-out-from")) << other.err;
}

TEST_F(Prune, WalksThePapersPathWhereAsked) {
  const fs::path out = folder / "run";
  const Result result = run_program(
      "prune", arguments("run", out, {"--path", "iterative", "--predictor", "rank1-degree3"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto steps = steps_of(out);
  EXPECT_EQ(steps.at("fit").at("family"), "rank1-degree3");
  // The second point is cut from the first, after its training: it starts from another network than
  // the base cut to the same depth.
  const fs::path other = folder / "other";
  const Result cut = run_program("prune", arguments("collect", other));
  EXPECT_EQ(cut.code, 2) << "plan has to be done first";
  ASSERT_EQ(run_program("prune", arguments("plan", other)).code, 0);
  ASSERT_EQ(run_program("prune", arguments("collect", other)).code, 0);
  const auto one_shot = steps_of(other);
  EXPECT_EQ(steps.at("collect/depth-2").at("d"), one_shot.at("collect/depth-2").at("d"));
  EXPECT_NE(steps.at("collect/depth-2").at("curve"), one_shot.at("collect/depth-2").at("curve"));
}

TEST_F(Prune, ComparesWhatElseTheBudgetBuys) {
  const fs::path out = folder / "run";
  ASSERT_EQ(run_program("prune", arguments("run", out)).code, 0);
  const std::vector<std::string> compare = {"compare", "--out", out.string()};
  Result result = run_program("prune", compare);
  ASSERT_EQ(result.code, 0) << result.err;
  const auto steps = steps_of(out);
  const double original = steps.at("apply").at("original").at("macs").get<double>();
  for (const char* method :
       {"joint", "scratch", "width", "resolution", "depth-width", "depth-resolution",
        "width-resolution", "uniform", "tinynet", "random"}) {
    const auto& done = steps.at("compare/" + std::string(method) + "/0");
    EXPECT_LE(done.at("training").at("finetuned").at("macs").get<double>(), 0.5 * original)
        << method;
    EXPECT_TRUE(fs::exists(out / "compare" / (std::string(method) + "-0.safetensors"))) << method;
    EXPECT_NE(result.out.find(method), std::string::npos) << result.out;
  }
  const auto& joint = steps.at("compare/joint/0");
  EXPECT_EQ(joint.at("chosen"), steps.at("solve").at("candidates").at(0));
  // The same recipe from the same start: the result itself.
  EXPECT_EQ(joint.at("training"), steps.at("finetune"));
  const auto& width = steps.at("compare/width/0").at("chosen").at("at");
  EXPECT_EQ(width.at("d"), 1);
  EXPECT_EQ(width.at("r"), 1);
  const auto& pair = steps.at("compare/depth-resolution/0").at("chosen").at("at");
  EXPECT_EQ(pair.at("w"), 1);

  // More seeds, of some: what is done stays.
  result = run_program("prune",
                       {"compare", "--methods", "random", "--seeds", "2", "--out", out.string()});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto more = steps_of(out);
  EXPECT_EQ(more.at("compare/random/0"), steps.at("compare/random/0"));
  EXPECT_TRUE(more.contains("compare/random/1"));
  EXPECT_NE(read_text(out / "compare.csv").find("random,1,"), std::string::npos);
  const Result unknown =
      run_program("prune", {"compare", "--methods", "luck", "--out", out.string()});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(one_error(unknown, "--methods")) << unknown.err;
}

TEST_F(Prune, AHealedNetworkIsNotThatOfAnotherStep) {
  const fs::path out = folder / "run";
  ASSERT_EQ(run_program("prune", arguments("run", out)).code, 0);
  // As if the fine-tuning had been killed after the healing.
  const auto done = steps_of(out).at("finetune");
  fs::remove(record_of(out, "finetune"));
  ASSERT_EQ(
      run_program("prune", {"compare", "--methods", "resolution", "--out", out.string()}).code, 0);
  ASSERT_EQ(run_program("prune", {"finetune", "--out", out.string()}).code, 0);
  const auto again = steps_of(out);
  EXPECT_EQ(again.at("finetune"), done);
}

}  // namespace
}  // namespace trifold::apps_test
