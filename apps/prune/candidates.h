/// The networks that a run can deploy, and what each really costs.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "apps/prune/run.h"
#include "map/predictor.h"
#include "map/solve_discrete.h"
#include "pruning/surgery.h"

namespace trifold::apps {

/// All combinations of a number of blocks, a share of channels and an image side, down to about the
/// least values that the data points reach: below them the predictor would extrapolate.
class Candidates {
 public:
  /// Probes the original's blocks to know in which order they go.
  Candidates(const PruneRun& run, const map::Point& lower);

  const map::DiscreteSpace& space() const { return space_; }
  std::int64_t blocks(std::int64_t depth) const { return blocks_[static_cast<std::size_t>(depth)]; }
  std::int64_t side(std::int64_t resolution) const {
    return sides_[static_cast<std::size_t>(resolution)];
  }
  /// The width to cut to, for a share of channels of the space.
  double asked_width(std::int64_t width) const {
    return asked_widths_[static_cast<std::size_t>(width)];
  }
  const std::vector<double>& importance() const { return importance_; }

  /// Cost of a candidate as a fraction of the original's, counted on its graph (CostKind::paper:
  /// d w^2 r^2).
  double ratio(std::int64_t depth, std::int64_t width, std::int64_t resolution);

  /// The exponents (a, b, c) for which d^a w^b r^c is nearest to the counted cost, by least squares
  /// of the logarithms over the corners and middles of the space.
  std::array<double, 3> fitted_exponents();

  /// For every (depth, resolution), the widest candidate within the budget and its prediction:
  /// {"blocks": {"options", "full"}, "sides": likewise, "width": rows of null or w, "predicted":
  /// likewise}.
  nlohmann::json surface(const map::Predictor& predictor);

 private:
  const PruneRun& run_;
  std::vector<double> importance_;
  std::vector<std::int64_t> blocks_, sides_;
  std::vector<double> asked_widths_;
  map::DiscreteSpace space_;
  double original_cost_;
  std::map<std::pair<std::int64_t, std::int64_t>, nn::Graph> graphs_;  // by (depth, width)
};

/// The least point that candidates and the continuous optimum may take, given the least that was
/// sampled: widths come in small steps, so the last sample may lie a little above the one needed.
map::Point least_point(const map::Point& sampled);

/// The cut of the original to `blocks` blocks and the width `w`, as select_units understands it.
pruning::Cut cut_to(const PruneRun& run, const std::vector<double>& importance, std::int64_t blocks,
                    double w);

}  // namespace trifold::apps
