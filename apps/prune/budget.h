/// From the hours that a run may take to what it can train in them.
#pragma once

#include "apps/prune/run.h"

namespace trifold::apps {

/// What a schedule has to share out. Seconds are of one training image of the original's size.
struct Workload {
  double seconds = 0;         ///< the time there is
  double train_seconds = 0;   ///< an image's
  double taught_seconds = 0;  ///< an image's by the recipe of the result, its teacher included
  double target = 0.5;        ///< share of the cost that the result has
  std::int64_t points = 1;    ///< that are trained for the predictor, finalists too
  std::int64_t images = 1, held_out = 0, heal_epochs = 0;
};

/// A third of the time goes to the points, which cost between the target and the original, and have
/// three judgements of the held-out images at a third of a training step each; what they don't need,
/// for ten epochs are enough, goes to the result with the rest.
/// Errors    ConfigError: not even points of 1,000 images and one epoch fit; says how many hours do.
Schedule schedule_for(const Workload& work);

/// Measures how long a training image of the original's size takes this process, in seconds; as the
/// result is trained, if `taught`. Nothing where there are too few to tell.
std::optional<double> seconds_per_image(const PruneRun& run, bool taught);

/// Where --budget was given: measures how fast this device trains, unless the plan has the schedule
/// already, and sets the options that follow. Then picks the images of the data points.
void resolve_schedule(PruneRun& run);

}  // namespace trifold::apps
