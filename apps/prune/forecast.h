/// The data points that are to be collected, and how long that will take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/prune/run.h"

namespace trifold::apps {

/// A point along one dimension.
struct AxisPoint {
  std::string dimension;
  std::int64_t round = 0;
  pruning::GridIndex at;

  std::string step() const { return collect_step(dimension, round); }
  static std::string collect_step(const std::string& dimension, std::int64_t round);
};
/// In the order in which they are measured.
std::vector<AxisPoint> axis_points(pruning::Space& space);

/// Seconds until all is done, where every task in turn goes to the worker that is free first.
double wall_seconds(const std::vector<double>& tasks, std::int64_t workers);

/// Measures how fast this process trains, and tells how long each point will take, all of them, and
/// all where the run's workers do them: each as fast as this process, as on machines of their own.
void forecast(PruneRun& run, pruning::Space& space);

}  // namespace trifold::apps
