#include "nn/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/runtime/error.h"

namespace trifold::nn {

ScheduleKind schedule_kind(const std::string& name) {
  for (ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::step, ScheduleKind::cosine,
                            ScheduleKind::one_cycle}) {
    if (name == to_string(kind)) return kind;
  }
  throw ConfigError(fmt::format(
      "unknown schedule '{}'; the schedules are constant, step, cosine and one-cycle", name));
}

std::string to_string(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::constant:
      return "constant";
    case ScheduleKind::step:
      return "step";
    case ScheduleKind::cosine:
      return "cosine";
    case ScheduleKind::one_cycle:
      return "one-cycle";
  }
  throw ConfigError("an unknown schedule");
}

double learning_rate(const Schedule& schedule, double base, double epoch, double epochs,
                     double step) {
  const auto half_cosine = [](double t) { return 0.5 * (1.0 + std::cos(std::numbers::pi * t)); };
  const double progress = epoch / epochs;
  if (schedule.kind == ScheduleKind::one_cycle) {
    constexpr double rise = 0.3;
    return progress < rise ? base * (0.1 + 0.9 * progress / rise)
                           : base * half_cosine((progress - rise) / (1.0 - rise));
  }
  if (epoch < schedule.warmup_epochs) {
    return base * std::min((epoch + step) / schedule.warmup_epochs, 1.0);
  }
  switch (schedule.kind) {
    case ScheduleKind::step:
      return base * (progress < 0.5 ? 1.0 : progress < 0.75 ? 0.1 : 0.01);
    case ScheduleKind::cosine:
      return base *
             half_cosine((epoch - schedule.warmup_epochs) / (epochs - schedule.warmup_epochs));
    default:
      return base;
  }
}

double average_decay(double decay, std::int64_t updates) {
  const auto n = static_cast<double>(updates);
  return std::min(decay, (1 + n) / (10 + n));
}

}  // namespace trifold::nn
