#include "nn/train/schedule.h"

#include <gtest/gtest.h>

#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

// Of a step that takes a quarter of an epoch.
double rate(ScheduleKind kind, double epoch, double warmup = 0) {
  return learning_rate({kind, warmup}, 2.0, epoch, 20, 0.25);
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
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::cosine, 1, 4), 0.625);
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::cosine, 3.75, 4), 2.0);
  EXPECT_DOUBLE_EQ(rate(ScheduleKind::cosine, 4, 4), 2.0);
  EXPECT_NEAR(rate(ScheduleKind::cosine, 12, 4), 1.0, 1e-12);
}

// A rate of 0 would waste the step.
TEST(Schedule, BeginsAWarmUpAboveZero) {
  for (ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::step, ScheduleKind::cosine}) {
    EXPECT_DOUBLE_EQ(rate(kind, 0, 4), 0.125);
    EXPECT_DOUBLE_EQ(rate(kind, 0, 0.1), 2.0) << "a warm-up shorter than a step";
  }
}

TEST(Schedule, DecaysAShortAverageFaster) {
  EXPECT_DOUBLE_EQ(average_decay(0.999, 0), 0.1);
  EXPECT_DOUBLE_EQ(average_decay(0.999, 8), 0.5);
  EXPECT_DOUBLE_EQ(average_decay(0.999, 1'000'000), 0.999);
  EXPECT_DOUBLE_EQ(average_decay(0.05, 0), 0.05);
}

TEST(Schedule, IsNamedAsOnTheCommandLine) {
  for (const char* name : {"constant", "step", "cosine"}) {
    EXPECT_EQ(to_string(schedule_kind(name)), name);
  }
  EXPECT_THROW(schedule_kind("cosin"), ConfigError);
}

}  // namespace
}  // namespace trifold::nn
