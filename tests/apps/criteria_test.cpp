/// prune with each of its criteria.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "pruning/criterion.h"
#include "tests/apps/prune_fixture.h"
#include "tests/apps/records.h"

namespace trifold::apps_test {
namespace {

using nlohmann::json;

struct Criteria : Prune {
  Result prune(const std::string& channels, const std::string& blocks, const fs::path& out) const {
    return run_program("prune", arguments("run", out,
                                          {"--target", "0.6", "--dimensions", "depth,width",
                                           "--criterion", channels, "--block-criterion", blocks}));
  }
};

TEST_F(Criteria, EachRunsToTheEnd) {
  const auto& channels = pruning::channel_criteria();
  const auto& blocks = pruning::block_criteria();
  std::set<std::string> models;
  for (std::size_t i = 0; i < std::max(channels.size(), blocks.size()); ++i) {
    const std::string channel = channels[i % channels.size()].name,
                      block = blocks[i % blocks.size()].name;
    SCOPED_TRACE(channel + " and " + block);
    const fs::path out = folder / (channel + "-" + block);
    const Result result = prune(channel, block, out);
    ASSERT_EQ(result.code, 0) << result.err;
    const json steps = steps_of(out);
    EXPECT_LE(steps.at("finetune").at("finetuned").at("macs").get<double>(),
              0.6 * steps.at("apply").at("original").at("macs").get<double>());
    const json settings = settings_of(out);
    EXPECT_EQ(settings.at("criterion"), channel);
    EXPECT_EQ(settings.at("block_criterion"), block);
    models.insert(read_text(out / "pruned.safetensors"));
  }
  EXPECT_GT(models.size(), 1u) << "no criterion decides differently from another";
}

TEST_F(Criteria, AnUnknownOneIsRefusedWithTheList) {
  const Result channels = prune("magic", "probe", folder / "out");
  EXPECT_EQ(channels.code, 2);
  for (const auto& known : pruning::channel_criteria()) {
    EXPECT_TRUE(one_error(channels, known.name)) << channels.err;
  }
  const Result blocks = prune("l1", "magic", folder / "out");
  EXPECT_EQ(blocks.code, 2);
  for (const auto& known : pruning::block_criteria()) {
    EXPECT_TRUE(one_error(blocks, known.name)) << blocks.err;
  }
  for (const Result* result : {&channels, &blocks}) EXPECT_TRUE(one_error(*result, "'magic'"));
  EXPECT_FALSE(fs::exists(folder / "out/journal.json"));
}

}  // namespace
}  // namespace trifold::apps_test
