#include "kernels/runtime/profile.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/elementwise.h"

namespace trifold::kernels {
namespace {

void add_once() {
  const std::vector<float> a(64, 1.0f);
  std::vector<float> y(64);
  add(Exec{}, 64, a.data(), a.data(), y.data());
}

TEST(Profile, CountsTheCallsOfItsTime) {
  add_once();
  start_profile();
  EXPECT_TRUE(is_profiling());
  add_once();
  add_once();
  stop_profile();
  add_once();
  EXPECT_FALSE(is_profiling());

  const std::map<std::string, ProfiledOp> ops = profiled_ops();
  ASSERT_EQ(ops.size(), 1u);
  EXPECT_EQ(ops.begin()->first, "add");
  EXPECT_EQ(ops.begin()->second.calls, 2);
  const std::vector<ProfiledCall> calls = profiled_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_LE(0, calls[0].begin);
  EXPECT_LE(calls[0].begin, calls[0].end);
  EXPECT_LE(calls[0].end, calls[1].begin);
  const double seconds =
      1e-9 * static_cast<double>(calls[0].end - calls[0].begin + calls[1].end - calls[1].begin);
  EXPECT_NEAR(ops.begin()->second.seconds, seconds, 1e-12);
}

TEST(Profile, StartsAnew) {
  start_profile();
  add_once();
  start_profile();
  stop_profile();
  EXPECT_TRUE(profiled_ops().empty());
  EXPECT_TRUE(profiled_calls().empty());
}

}  // namespace
}  // namespace trifold::kernels
