#include "apps/prune/axis_points.h"

#include <fmt/format.h>

#include <algorithm>

namespace trifold::apps {

std::string AxisPoint::collect_step(const std::string& dimension, std::int64_t round) {
  return fmt::format("collect/{}-{}", dimension, round);
}

std::vector<AxisPoint> axis_points(pruning::Space& space) {
  const pruning::GridIndex whole = space.whole();
  std::vector<AxisPoint> points;
  std::int64_t round = 0;
  for (std::int64_t keep : space.depth_points()) {
    points.push_back({"depth", ++round, whole});
    points.back().at.depth = std::ranges::find(space.blocks(), keep) - space.blocks().begin();
  }
  round = 0;
  for (double w : space.width_points()) {
    points.push_back({"width", ++round, whole});
    points.back().at.width =
        std::ranges::find(space.widths(), w, &pruning::WidthOption::kept) - space.widths().begin();
  }
  round = 0;
  for (std::int64_t side : space.resolution_points()) {
    points.push_back({"resolution", ++round, whole});
    points.back().at.resolution = std::ranges::find(space.sides(), side) - space.sides().begin();
  }
  return points;
}

}  // namespace trifold::apps
