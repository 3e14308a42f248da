/// The networks that a run can end with: its dimensions' options, what they cost, how far data
/// points have to reach, and whether a target can be met.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "map/cost.h"
#include "map/solve_discrete.h"
#include "nn/network.h"
#include "pruning/cost_model.h"
#include "pruning/surgery.h"
#include "pruning/width.h"

namespace trifold::pruning {

/// What a space is asked to be.
struct SpaceOptions {
  double target = 0.5;  ///< cost that may remain, a fraction of the original's
  bool depth = true, width = true, resolution = true;  ///< the dimensions that may shrink
  WidthMode width_mode = WidthMode::stream;
  bool without_norm = false;  ///< whether channels that no batch norm scales may shrink, too
  WidthLimits limits = {};
  std::int64_t resolution_step = 2;  ///< pixels between the sides
  std::int64_t rounds = 4;           ///< data points along each dimension
};

/// Scores a network's units, as select_units() takes them.
using ScoreUnits = std::function<std::vector<double>(const nn::Network&, const Units&)>;

/// The units of a network of the space.
inline Units units_of(const nn::Graph& graph, const SpaceOptions& options) {
  return find_units(graph, options.width_mode, options.without_norm);
}

/// The cut of `original` to `blocks` blocks, the least important gone first, and then to the width
/// `asked`, as select_units() understands it: a share of the channels that are left, so that
/// removed blocks have no say in the threshold.
Cut cut_to(const nn::Network& original, const SpaceOptions& options,
           const std::vector<double>& importance, const ScoreUnits& score, std::int64_t blocks,
           double asked);

/// A width to ask select_units() for, and the share of the original's channels that then stays,
/// floors and rounding included.
struct WidthOption {
  double asked, kept;
};

/// A candidate: indices into a space's blocks(), widths() and sides().
struct GridIndex {
  std::int64_t depth = 0, width = 0, resolution = 0;

  bool operator==(const GridIndex&) const = default;
};

/// All combinations of a number of blocks, a share of channels and an image side. Each dimension
/// goes down to the first option that meets the target alone, or to its last where none does: there
/// the data points end, and below it a predictor would extrapolate. Where one dimension alone has
/// options it goes on to 9/10 of the target, so that the answer lies inside of what is measured.
///
/// What can be met is the same question before the first data point as at the end: the cheapest
/// candidate costs what `cheapest` says, and the search over grid() with ratio() finds it.
class Space {
 public:
  /// `importance` orders the blocks, and `score` the channels. The original has to outlive the
  /// space.
  /// Errors    as select_blocks() and select_units().
  Space(const nn::Network& original, std::int64_t side, std::unique_ptr<const CostModel> cost,
        SpaceOptions options, std::vector<double> importance, ScoreUnits score);

  const SpaceOptions& options() const { return options_; }
  /// Asks for another share of the cost. What there is to choose from stays as it is, since data
  /// points lie in it.
  void set_target(double target) { options_.target = target; }
  const CostModel& cost() const { return *cost_; }

  /// Ascending; the last is the original's.
  const std::vector<std::int64_t>& blocks() const { return blocks_; }
  const std::vector<WidthOption>& widths() const { return widths_; }
  const std::vector<std::int64_t>& sides() const { return sides_; }
  /// The same as shares of the original's.
  const map::DiscreteSpace& grid() const { return grid_; }
  /// The least of each.
  map::Point lower() const;
  /// The original.
  GridIndex whole() const;
  /// Where candidates lie, as shares of the original.
  map::Point place(const GridIndex& at) const;
  std::vector<map::Point> places(const std::vector<GridIndex>& candidates) const;

  /// Where the data points along each dimension are to lie, in order: at most `rounds`, in equal
  /// steps down to the end of the range, each at another option than those before it and than the
  /// original's.
  std::vector<std::int64_t> depth_points() const;
  std::vector<double> width_points() const;  ///< kept shares
  std::vector<std::int64_t> resolution_points() const;
  /// All of them and the original, as points.
  std::vector<map::Point> points() const;

  /// Cost of a candidate, by indices into the options; where the model's may fall with the width,
  /// that of the dearest candidate at most as wide, so that a budget has one greatest width.
  double ratio(std::int64_t depth, std::int64_t width, std::int64_t resolution);
  /// The graph of a candidate.
  const nn::Graph& graph(std::int64_t depth, std::int64_t width);
  /// The costs at the corners and middles of the space.
  std::vector<CostSample> samples();

  /// Indices of the candidate of the least cost, and that cost. The target can be met where it is
  /// at most the target.
  struct Cheapest {
    std::int64_t depth, width, resolution;
    double ratio;
  };
  const Cheapest& cheapest() const { return cheapest_; }

  bool meets_target(const GridIndex& at) {
    return ratio(at.depth, at.width, at.resolution) <= options_.target;
  }
  /// The greatest index into widths() that meets the target; -1 where none does.
  std::int64_t widest_within_target(std::int64_t depth, std::int64_t resolution);
  /// For each depth and resolution the widest candidate that meets the target.
  std::vector<GridIndex> widest_candidates();
  /// Those of them that spend the budget: no other is at least as large in every dimension.
  std::vector<GridIndex> budget_frontier();

 private:
  void list_options(const nn::Graph& graph);
  void end_where_one_dimension_is_enough();
  void fill_grid();
  Cheapest find_cheapest();
  double own_ratio(std::int64_t depth, std::int64_t width, std::int64_t resolution);

  const nn::Network& original_;
  std::int64_t side_;
  std::unique_ptr<const CostModel> cost_;
  SpaceOptions options_;
  std::vector<double> importance_;
  ScoreUnits score_;
  std::vector<std::int64_t> blocks_, sides_;
  std::vector<WidthOption> widths_;
  map::DiscreteSpace grid_;
  /// Candidates are asked for depth by depth: the last depth's network is kept, and its scores.
  struct Shallow {
    std::int64_t blocks;
    nn::Network network;
    Units units;
    std::vector<double> scores;
  };
  std::optional<Shallow> shallow_;
  std::map<std::pair<std::int64_t, double>, nn::Graph> graphs_;  // by (blocks, asked width)
  /// By (blocks, side): the dearest of the candidates from the narrowest to each width.
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<double>> dearest_;
  Cheapest cheapest_{};
};

}  // namespace trifold::pruning
