/// How long the collecting of data points will take.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/prune/run.h"

namespace trifold::apps {

/// Seconds until all is done, where every task in turn goes to the worker that is free first.
double wall_seconds(const std::vector<double>& tasks, std::int64_t workers);

/// Measures how fast this process trains, and tells how long each point will take, all of them, and
/// all where the run's workers do them: each as fast as this process, as on machines of their own.
void forecast(PruneRun& run, pruning::Space& space);

}  // namespace trifold::apps
