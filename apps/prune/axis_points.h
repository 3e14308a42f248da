/// The data points along the axes of the space.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pruning/space.h"

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

}  // namespace trifold::apps
