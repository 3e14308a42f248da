/// How well the data points, short trainings that they are, order what the whole recipe makes of the
/// same structures.
#include <fmt/format.h>

#include <algorithm>

#include "apps/prune/run.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "map/validate.h"

namespace trifold::apps {
namespace {

struct Row {
  DataPoint point;
  Judgement trained;
};

// The candidate that the point was cut as.
Candidate candidate_of(pruning::Space& space, const DataPoint& point) {
  const map::DiscreteSpace& grid = space.grid();
  const auto index = [](const std::vector<double>& shares, double share) {
    return std::ranges::find(shares, share) - shares.begin();
  };
  const pruning::GridIndex at{.depth = index(grid.depth, point.d),
                              .width = index(grid.width, point.w),
                              .resolution = index(grid.resolution, point.r)};
  return candidate_at(space, at, 0);
}

std::string csv(const std::vector<Row>& rows) {
  std::string text =
      "dimension,round,d,w,r,macs,raw,reestimated,point_top1,extrapolated,deviation,"
      "trained_heldout,trained_test\n";
  const auto optional = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.3f}", *value) : "";
  };
  for (const auto& [p, trained] : rows) {
    text += fmt::format("{},{},{:.4f},{:.4f},{:.4f},{},{:.2f},{:.2f},{:.2f},{},{},{:.2f},{:.2f}\n",
                        p.dimension, p.round, p.d, p.w, p.r, p.macs, p.raw, p.reestimated, p.top1,
                        optional(p.extrapolated), optional(p.deviation), trained.held_out,
                        trained.test);
  }
  return text;
}

std::string table(const std::vector<Row>& rows, std::int64_t epochs) {
  std::string text = fmt::format("{:<14} {:>6} {:>6} {:>6} {:>9} {:>10} {:>14} {:>10}\n", "point",
                                 "d", "w", "r", "M MACs", "point", "trained: held", "test");
  for (const auto& [p, trained] : rows) {
    text += fmt::format(
        "{:<14} {:>6.3f} {:>6.3f} {:>6.3f} {:>9.2f} {:>8.2f} % {:>12.2f} % {:>8.2f} %\n",
        fmt::format("{} {}", p.dimension, p.round), p.d, p.w, p.r,
        static_cast<double>(p.macs) / 1e6, p.accuracy(), trained.held_out, trained.test);
  }
  // The points are judged on held-out images. Those of the test share none of their noise.
  std::vector<double> tested;
  for (const Row& row : rows) tested.push_back(row.trained.test);
  text += fmt::format(
      "rank correlation (Spearman's, {} points) with the test accuracy after {} epochs:\n",
      rows.size(), epochs);
  const auto line = [&](const char* what, auto&& value) {
    std::vector<double> values;
    for (const Row& row : rows) values.push_back(value(row.point));
    text += fmt::format("  {:<28} {:>6.3f}\n", what, map::spearman(values, tested));
  };
  line("as cut", [](const DataPoint& p) { return p.raw; });
  line("batch norms re-estimated", [](const DataPoint& p) { return p.reestimated; });
  line("after the point's training", [](const DataPoint& p) { return p.top1; });
  if (rows.front().point.extrapolated) {
    line("its learning curve, followed", [](const DataPoint& p) { return *p.extrapolated; });
  }
  line("MACs", [](const DataPoint& p) { return static_cast<double>(p.macs); });
  return text;
}

}  // namespace

void rank(PruneRun& run) {
  require<ConfigError>(!run.options.iterative,
                       "rank trains what the points are cut as; those of --path iterative are cut "
                       "from one another, so collect them with --path one-shot");
  const std::vector<DataPoint> points = data_points(run);
  require<ConfigError>(points.size() >= 2,
                       "there are fewer than 2 data points to rank; run "
                       "'prune collect' first");
  pruning::Space space = space_of(run, run.base, block_importance(run));
  std::vector<Row> rows;
  for (const DataPoint& point : points) {
    if (point.dimension == "original" && point.round > 0) continue;  // the same structure again
    const std::string step = fmt::format("rank/{}-{}", point.dimension, point.round);
    const Candidate candidate = candidate_of(space, point);
    const auto trained = do_step<Judgement>(run, step, [&] {
      nn::Network network = std::move(cut_base(run, candidate).network);
      reestimate(run, network, candidate.side);
      return train_result(run, step, network, candidate.side).finetuned;
    });
    run.times.save();
    run.callbacks.say(fmt::format("{}: {:.2f} % as a point, test top-1 {:.2f} % after the recipe",
                                  step, point.accuracy(), trained.test));
    rows.push_back({point, trained});
  }
  engine::write_file_atomically(run.folder / "rank.csv", csv(rows));
  run.callbacks.tell(table(rows, run.options.finetune_epochs));
}

}  // namespace trifold::apps
