#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "tests/simt/faults.h"

namespace simt::test {
namespace {

std::vector<FaultCase> all_faults() {
  std::vector<FaultCase> all = memory_faults();
  for (const auto& more : {alignment_faults(), order_faults(), block_faults(), warp_faults(),
                           async_faults(), host_faults()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

class DeliberateFault : public testing::TestWithParam<FaultCase> {
 protected:
  void SetUp() override {
    reset();
    settings().quiet = true;
  }
  void TearDown() override {
    settings() = Settings{};
    reset();
  }

  static std::vector<Report> reports_of(bool broken) {
    GetParam().run(broken);
    return take_reports();
  }
};

// A kernel without a barrier also reads what isn't written yet: the fault has to be among the
// reports. The plain build may see some faults by chance, but then by their right names.
TEST_P(DeliberateFault, IsReportedWithItsKind) {
  const std::vector<Report> reports = reports_of(true);
  const auto is_the_fault = [](const Report& r) { return r.fault == GetParam().fault; };
  if (checks_memory() || GetParam().found_plainly) {
    EXPECT_TRUE(std::any_of(reports.begin(), reports.end(), is_the_fault))
        << (reports.empty() ? "no report" : reports[0].text);
  } else {
    EXPECT_TRUE(std::all_of(reports.begin(), reports.end(), is_the_fault)) << reports[0].text;
  }
}

TEST_P(DeliberateFault, TwinIsSilentInEveryOrder) {
  for (const Order order : {Order::forward, Order::reverse, Order::random}) {
    settings().order = order;
    const std::vector<Report> reports = reports_of(false);
    EXPECT_TRUE(reports.empty()) << reports[0].text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, DeliberateFault, testing::ValuesIn(all_faults()),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(Readme, NamesEveryPlantedFault) {
  std::ifstream file(TRIFOLD_SOURCE_DIR "/kernels/simt/README.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const FaultCase& c : all_faults()) {
    EXPECT_TRUE(std::regex_search(text, std::regex("\\b" + std::string(c.name) + "\\b"))) << c.name;
  }
}

TEST(Reports, NameKernelThreadLineAndArray) {
  if (!checks_memory()) GTEST_SKIP() << "the plain build doesn't see memory accesses";
  reset();
  settings().quiet = true;
  const auto cases = order_faults();
  const auto at = std::find_if(cases.begin(), cases.end(), [](const FaultCase& c) {
    return std::string(c.name) == "MissingBarrier";
  });
  at->run(true);
  const std::vector<Report> reports = take_reports();
  settings() = Settings{};
  reset();
  const auto race = std::find_if(reports.begin(), reports.end(),
                                 [](const Report& r) { return r.fault == Fault::race; });
  ASSERT_NE(race, reports.end());
  EXPECT_NE(race->kernel.find("missing_barrier<true>"), std::string::npos) << race->kernel;
  EXPECT_NE(race->text.find("shared array tile"), std::string::npos) << race->text;
  EXPECT_NE(race->text.find("order_faults.cu:"), std::string::npos) << race->text;
}

}  // namespace
}  // namespace simt::test
