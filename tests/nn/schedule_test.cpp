#include "nn/train/schedule.h"

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace trifold::nn {
namespace {

double rate(ScheduleKind kind, double epoch, double warmup = 0) {
  return learning_rate({kind, warmup}, 2.0, epoch, 20);
}

TEST(Schedule, HasTheValuesOfItsDefinition) {
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::constant, 13), 2.0);
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::step, 9.9), 2.0);
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::step, 10), 0.2);
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::step, 15), 0.02);
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::cosine, 0), 2.0);
  EXPECT_NEAR(rate(ScheduleKind::cosine, 10), 1.0, 1e-12);
  EXPECT_NEAR(rate(ScheduleKind::cosine, 20), 0.0, 1e-12);
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::one_cycle, 0), 0.2);
  EXPECT_NEAR(rate(ScheduleKind::one_cycle, 6), 2.0, 1e-12);
  EXPECT_NEAR(rate(ScheduleKind::one_cycle, 20), 0.0, 1e-12);
}

TEST(Schedule, RisesLinearlyDuringTheWarmUp) {
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::cosine, 1, 4), 0.5);
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::cosine, 4, 4), 2.0);
  EXPECT_NEAR(rate(ScheduleKind::cosine, 12, 4), 1.0, 1e-12);
}

TEST(Schedule, IsNamedAsOnTheCommandLine) {
  for (const char* name : {"constant", "step", "cosine"}) {
    EXPECT_EQ(to_string(schedule_kind(name)), name);
  }
  EXPECT_THROW(schedule_kind("cosin"), ConfigError);
}

}  // namespace
}  // namespace trifold::nn
