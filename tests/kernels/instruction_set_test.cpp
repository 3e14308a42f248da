#include "kernels/runtime/instruction_set.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/cpu/conv2d/register_tiles.h"
#include "kernels/runtime/error.h"

namespace trifold::kernels {
namespace {

TEST(InstructionSet, Names) {
  EXPECT_EQ(to_string(InstructionSet::baseline), "baseline");
  EXPECT_EQ(to_string(InstructionSet::avx2), "avx2");
  EXPECT_EQ(to_string(InstructionSet::avx512), "avx512");
}

TEST(InstructionSet, ForceAndRelease) {
  const std::vector<InstructionSet> sets = supported_instruction_sets();
  ASSERT_FALSE(sets.empty());
  EXPECT_EQ(sets.front(), InstructionSet::baseline);
  for (InstructionSet set : sets) {
    force_instruction_set(set);
    EXPECT_EQ(active_instruction_set(), set);
    EXPECT_EQ(vector_lanes(set), cpu::register_tiles().lanes) << "what the kernels really run with";
    EXPECT_EQ(supported_instruction_sets(), sets) << "forcing hides nothing";
  }
  release_instruction_set();
  EXPECT_EQ(active_instruction_set(), sets.back());
}

TEST(InstructionSet, RejectsWhatTheProcessorLacks) {
  if (supported_instruction_sets().size() == 3) GTEST_SKIP() << "this processor has them all";
  EXPECT_THROW(force_instruction_set(InstructionSet::avx512), ConfigError);
}

// The variable is read once a process, so a fresh process must ask.
TEST(InstructionSetDeathTest, EnvironmentChoosesAtStart) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const char* before = std::getenv("TRIFOLD_ISA");
  const std::string saved = before == nullptr ? "" : before;
  setenv("TRIFOLD_ISA", "baseline", 1);
  EXPECT_EXIT(std::exit(active_instruction_set() == InstructionSet::baseline ? 0 : 1),
              testing::ExitedWithCode(0), "");
  setenv("TRIFOLD_ISA", "mmx", 1);
  const auto ask = [] {
    try {
      active_instruction_set();
    } catch (const ConfigError&) {
      std::exit(0);
    }
    std::exit(1);
  };
  EXPECT_EXIT(ask(), testing::ExitedWithCode(0), "");
  if (before == nullptr)
    unsetenv("TRIFOLD_ISA");
  else
    setenv("TRIFOLD_ISA", saved.c_str(), 1);
}

}  // namespace
}  // namespace trifold::kernels
