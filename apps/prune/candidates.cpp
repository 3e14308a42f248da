#include "apps/prune/candidates.h"

#include <Eigen/Dense>
#include <cmath>

#include "map/point.h"
#include "pruning/cost.h"
#include "pruning/depth.h"
#include "pruning/probe.h"
#include "pruning/width.h"

namespace trifold::apps {

using nlohmann::json;

pruning::Cut cut_to(const PruneRun& run, const std::vector<double>& importance, std::int64_t blocks,
                    double w) {
  // Depth goes first: the width is then a share of the channels that are left, and scales of
  // removed blocks have no say in the threshold.
  const nn::Graph& graph = run.original.network.graph();
  pruning::CutPlan depth;
  if (!graph.blocks.empty()) depth.keep_block = pruning::select_blocks(graph, importance, blocks);
  pruning::Cut shallow = pruning::cut(run.original.network, depth);
  if (w >= 1.0) return shallow;
  const pruning::CutPlan width{.units = pruning::select_units(
                                   shallow.network, run.options.width_mode, w, width_limits(run))};
  pruning::Cut narrow = pruning::cut(shallow.network, width);
  narrow.origin = pruning::compose(shallow.origin, narrow.origin);
  return narrow;
}

map::Point least_point(const map::Point& sampled) {
  return {sampled.d, sampled.w < 1.0 ? sampled.w - 0.02 : 1.0, sampled.r};
}

Candidates::Candidates(const PruneRun& run, const map::Point& lower) : run_(run) {
  const nn::Network& network = run.original.network;
  const std::vector<std::int64_t> all_blocks = block_options(run), all_sides = side_options(run);
  constexpr double slack = 1e-9;
  for (std::int64_t b : all_blocks) {
    const double d = static_cast<double>(b) / static_cast<double>(all_blocks.back());
    if (d < lower.d - slack) continue;
    blocks_.push_back(b);
    space_.depth.push_back(d);
  }
  for (std::int64_t side : all_sides) {
    const double r = static_cast<double>(side) / static_cast<double>(all_sides.back());
    if (r < lower.r - slack) continue;
    sides_.push_back(side);
    space_.resolution.push_back(r);
  }
  for (const WidthOption& option : width_options(run, network)) {
    if (option.kept < lower.w - slack) continue;
    asked_widths_.push_back(option.asked);
    space_.width.push_back(option.kept);
  }
  original_cost_ = counted_cost(run.options.cost, network.graph(), run.original.info.side);
  if (blocks_.size() > 1) {
    importance_ =
        pruning::probe_blocks(network, run.train, run.held_out, run.original.info.normalisation,
                              run.original.info.side, run.ex, probe_options(run))
            .importance;
  } else {
    importance_.assign(network.graph().blocks.size(), 0.0);
  }
}

double Candidates::ratio(std::int64_t depth, std::int64_t width, std::int64_t resolution) {
  const double w = space_.width[static_cast<std::size_t>(width)];
  if (run_.options.cost == CostKind::paper) {
    return pruning::paper_cost(space_.depth[static_cast<std::size_t>(depth)], w,
                               space_.resolution[static_cast<std::size_t>(resolution)]);
  }
  const auto key = std::pair(depth, width);
  auto found = graphs_.find(key);
  if (found == graphs_.end()) {
    nn::Graph graph = cut_to(run_, importance_, blocks(depth), asked_width(width)).network.graph();
    found = graphs_.emplace(key, std::move(graph)).first;
  }
  return counted_cost(run_.options.cost, found->second, side(resolution)) / original_cost_;
}

std::array<double, 3> Candidates::fitted_exponents() {
  const auto places = [](std::size_t n) {
    const auto last = static_cast<std::int64_t>(n) - 1;
    return std::array<std::int64_t, 3>{0, last / 2, last};
  };
  Eigen::Matrix<double, 27, 3> logs;
  Eigen::Matrix<double, 27, 1> costs;
  Eigen::Index row = 0;
  for (std::int64_t d : places(space_.depth.size())) {
    for (std::int64_t w : places(space_.width.size())) {
      for (std::int64_t r : places(space_.resolution.size())) {
        logs.row(row) << std::log(space_.depth[static_cast<std::size_t>(d)]),
            std::log(space_.width[static_cast<std::size_t>(w)]),
            std::log(space_.resolution[static_cast<std::size_t>(r)]);
        costs(row++) = std::log(ratio(d, w, r));
      }
    }
  }
  // A dimension with one option has a column of zeros, which this solver answers with 0.
  const Eigen::Vector3d e = logs.completeOrthogonalDecomposition().solve(costs);
  return {e[0], e[1], e[2]};
}

json Candidates::surface(const map::Predictor& predictor) {
  json widths = json::array(), predictions = json::array();
  for (std::size_t d = 0; d < space_.depth.size(); ++d) {
    json width_row = json::array(), prediction_row = json::array();
    for (std::size_t r = 0; r < space_.resolution.size(); ++r) {
      std::int64_t low = -1, high = std::ssize(space_.width);  // fits, does not fit
      while (high - low > 1) {
        const std::int64_t middle = (low + high) / 2;
        const bool fits = ratio(static_cast<std::int64_t>(d), middle,
                                static_cast<std::int64_t>(r)) <= run_.options.target;
        (fits ? low : high) = middle;
      }
      if (low < 0) {
        width_row.push_back(nullptr);
        prediction_row.push_back(nullptr);
        continue;
      }
      const double w = space_.width[static_cast<std::size_t>(low)];
      width_row.push_back(w);
      prediction_row.push_back(predictor.value({space_.depth[d], w, space_.resolution[r]}));
    }
    widths.push_back(std::move(width_row));
    predictions.push_back(std::move(prediction_row));
  }
  const auto all_blocks = std::ssize(run_.original.network.graph().blocks);
  return {{"blocks", {{"options", blocks_}, {"full", all_blocks}}},
          {"sides", {{"options", sides_}, {"full", run_.original.info.side}}},
          {"width", widths},
          {"predicted", predictions}};
}

}  // namespace trifold::apps
