#include "apps/prune/forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <string>

#include "apps/cli/progress.h"
#include "apps/prune/axis_points.h"
#include "apps/prune/budget.h"
#include "pruning/cost.h"

namespace trifold::apps {
namespace {

struct Estimate {
  std::string step;
  double seconds;
};

// What processes can do at once, each task a chain of points.
using Phase = std::vector<std::vector<Estimate>>;

std::vector<Phase> phases(const PruneRun& run, pruning::Space& space, double image_seconds) {
  const PruneOptions& o = run.options;
  const double images = static_cast<double>(o.round_epochs * run.round_train.count +
                                            run.held_out.count);  // judged at a third, three times
  const double whole = image_seconds * images;
  const auto macs = [&](const pruning::GridIndex& at) {
    const std::int64_t side = space.sides()[static_cast<std::size_t>(at.resolution)];
    return static_cast<double>(pruning::count_cost(space.graph(at.depth, at.width), side).macs);
  };
  const double original = macs(space.whole());
  Phase first, chains;
  for (std::int64_t i = 0; i <= o.repeats; ++i) {
    first.push_back({{AxisPoint::collect_step("original", i), whole}});
  }
  std::string last;
  for (const AxisPoint& point : axis_points(space)) {
    const Estimate estimate{point.step(), whole * macs(point.at) / original};
    if (!o.iterative) {
      first.push_back({estimate});
      continue;
    }
    if (point.dimension != last) chains.emplace_back();
    last = point.dimension;
    chains.back().push_back(estimate);
  }
  std::vector<Phase> result = {first};
  if (!chains.empty()) result.push_back(chains);
  for (std::int64_t i = 1; i <= o.off_axes; ++i) {
    result.push_back({{{AxisPoint::collect_step("joint", i), whole * o.target}}});
  }
  return result;
}

double wall_seconds(const std::vector<Phase>& all, std::int64_t workers) {
  double seconds = 0;
  for (const Phase& phase : all) {
    std::vector<double> tasks;
    for (const std::vector<Estimate>& chain : phase) {
      tasks.push_back(std::transform_reduce(chain.begin(), chain.end(), 0.0, std::plus<>{},
                                            [](const Estimate& e) { return e.seconds; }));
    }
    seconds += apps::wall_seconds(tasks, workers);
  }
  return seconds;
}

}  // namespace

double wall_seconds(const std::vector<double>& tasks, std::int64_t workers) {
  std::vector<double> busy(
      static_cast<std::size_t>(std::clamp<std::int64_t>(workers, 1, std::ssize(tasks) + 1)));
  for (const double seconds : tasks) *std::ranges::min_element(busy) += seconds;
  return std::ranges::max(busy);
}

void forecast(PruneRun& run, pruning::Space& space) {
  const std::optional<double> seconds = seconds_per_image(run, false);
  if (!seconds) return run.callbacks.say("too few batches to measure the speed by");
  const std::vector<Phase> all = phases(run, space, *seconds);
  for (const Phase& phase : all) {
    for (const std::vector<Estimate>& chain : phase) {
      for (const Estimate& e : chain) {
        run.callbacks.say(fmt::format("{:<22} about {}", e.step, duration_text(e.seconds)));
      }
    }
  }
  run.callbacks.say(fmt::format(
      "collect takes about {} by the speed measured here, {} with {} workers as fast as this "
      "process, and no less than {}, its critical path",
      duration_text(wall_seconds(all, 1)), duration_text(wall_seconds(all, run.workers)),
      run.workers, duration_text(wall_seconds(all, std::numeric_limits<std::int64_t>::max()))));
}

}  // namespace trifold::apps
