/// Learning rates over a run.
#pragma once

#include <cstdint>
#include <string>

namespace trifold::nn {

/// constant; step: a tenth from one half and again from three quarters of the run; cosine: half a
/// period from the base rate to 0; one_cycle: linearly up from a tenth of the base rate over the
/// first 30 %, then a cosine down to 0.
enum class ScheduleKind { constant, step, cosine, one_cycle };

struct Schedule {
  ScheduleKind kind = ScheduleKind::cosine;
  double warmup_epochs = 0;  ///< a linear rise from 0 in front, not for one_cycle
};

/// Errors    ConfigError naming the valid ones.
ScheduleKind schedule_kind(const std::string& name);
std::string to_string(ScheduleKind kind);

/// The rate at `epoch` (fractional, 0 at the start) of a run of `epochs`.
double learning_rate(const Schedule& schedule, double base, double epoch, double epochs);

}  // namespace trifold::nn
