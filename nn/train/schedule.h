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
  double warmup_epochs = 0;  ///< a linear rise in front, not for one_cycle
};

/// Errors    ConfigError naming the valid ones.
ScheduleKind schedule_kind(const std::string& name);
std::string to_string(ScheduleKind kind);

/// The rate of the step that begins at `epoch` (fractional, 0 at the start) of a run of `epochs`, and
/// takes the fraction `step` of an epoch. A warm-up rises in equal parts with each step: the first has
/// one of them already, the last has the base rate.
double learning_rate(const Schedule& schedule, double base, double epoch, double epochs,
                     double step);

/// The decay of an average after `updates` updates of it: at most `decay`, but less at the start, so
/// that a short run isn't averaged with the values that it began with: min(decay, (1 + n) / (10 + n)).
/// Source    tf.train.ExponentialMovingAverage of TensorFlow with num_updates.
double average_decay(double decay, std::int64_t updates);

}  // namespace trifold::nn
