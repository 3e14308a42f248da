#include "pruning/space.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "kernels/runtime/error.h"
#include "pruning/depth.h"

namespace trifold::pruning {
namespace {

nn::Network remove_blocks(const nn::Network& original, const std::vector<double>& importance,
                          std::int64_t blocks, ChannelMap* origin = nullptr) {
  const nn::Graph& graph = original.graph();
  CutPlan plan;
  if (!graph.blocks.empty()) plan.keep_block = select_blocks(graph, importance, blocks);
  Cut result = cut(original, plan);
  if (origin != nullptr) *origin = std::move(result.origin);
  return std::move(result.network);
}

// Whether the network has something to look at in images of side x side.
bool accepts(const nn::Graph& graph, std::int64_t side) {
  try {
    nn::infer_extents(graph, side);
    return true;
  } catch (const ShapeError&) {
    return false;
  }
}

// `count` equal steps from 1 down to `last`, each as the nearest of the ascending shares; each
// index once and without the last share's, which is the original's.
std::vector<std::size_t> steps_down(const std::vector<double>& shares, std::int64_t count) {
  std::vector<std::size_t> chosen;
  std::size_t before = shares.size() - 1;
  for (std::int64_t i = 1; i <= count; ++i) {
    const double wanted =
        1.0 - (1.0 - shares.front()) * static_cast<double>(i) / static_cast<double>(count);
    const auto nearest = std::ranges::min_element(
        shares, {}, [&](double share) { return std::abs(share - wanted); });
    const auto index = static_cast<std::size_t>(nearest - shares.begin());
    if (index < before) chosen.push_back(before = index);
  }
  return chosen;
}

template <class Option>
std::vector<Option> picked(const std::vector<Option>& options,
                           const std::vector<std::size_t>& indices) {
  std::vector<Option> result;
  for (std::size_t i : indices) result.push_back(options[i]);
  return result;
}

std::vector<double> shares_of_last(const std::vector<std::int64_t>& counts) {
  std::vector<double> shares;
  for (std::int64_t count : counts) {
    // A network without blocks has one option of depth, all of it.
    shares.push_back(count == counts.back()
                         ? 1.0
                         : static_cast<double>(count) / static_cast<double>(counts.back()));
  }
  return shares;
}

}  // namespace

Cut cut_to(const nn::Network& original, const SpaceOptions& options,
           const std::vector<double>& importance, const ScoreUnits& score, std::int64_t blocks,
           double asked) {
  ChannelMap origin;
  nn::Network shallow = remove_blocks(original, importance, blocks, &origin);
  if (asked >= 1.0) return {std::move(shallow), std::move(origin)};
  const Units units = units_of(shallow.graph(), options);
  Cut narrow =
      cut(shallow, {.units = select_units(units, score(shallow, units), asked, options.limits)});
  narrow.origin = compose(origin, narrow.origin);
  return narrow;
}

Space::Space(const nn::Network& original, std::int64_t side, std::unique_ptr<const CostModel> cost,
             SpaceOptions options, std::vector<double> importance, ScoreUnits score)
    : original_(original),
      side_(side),
      cost_(std::move(cost)),
      options_(std::move(options)),
      importance_(std::move(importance)),
      score_(std::move(score)) {
  list_options(original.graph());
  fill_grid();
  end_where_one_dimension_is_enough();
  fill_grid();
  cheapest_ = find_cheapest();
}

void Space::list_options(const nn::Graph& graph) {
  const auto all = std::ssize(graph.blocks);
  const std::int64_t least = options_.depth && all > 0 ? min_depth(graph) : all;
  for (std::int64_t count = least; count <= all; ++count) blocks_.push_back(count);

  // In steps of 1 %, each kept share once.
  constexpr std::int64_t steps = 100;
  if (options_.width) {
    const Units units = units_of(graph, options_);
    const std::vector<double> scores = score_(original_, units);
    for (std::int64_t i = 1; i < steps; ++i) {
      const double asked = static_cast<double>(i) / static_cast<double>(steps);
      const double kept = select_units(units, scores, asked, options_.limits).kept_fraction();
      if (kept < 1.0 && (widths_.empty() || kept > widths_.back().kept)) {
        widths_.push_back({asked, kept});
      }
    }
  }
  widths_.push_back({1.0, 1.0});

  sides_.push_back(side_);
  if (!options_.resolution) return;
  // Below half of the side a network of small images has nothing left to look at.
  for (std::int64_t side = side_ - options_.resolution_step;
       side >= 1 && 2 * side >= side_ && accepts(graph, side); side -= options_.resolution_step) {
    sides_.push_back(side);
  }
  std::ranges::reverse(sides_);
}

void Space::fill_grid() {
  grid_ = {shares_of_last(blocks_), {}, shares_of_last(sides_)};
  for (const WidthOption& option : widths_) grid_.width.push_back(option.kept);
}

void Space::end_where_one_dimension_is_enough() {
  const bool one_dimension =
      int{blocks_.size() > 1} + int{widths_.size() > 1} + int{sides_.size() > 1} == 1;
  const double goal = one_dimension ? 0.9 * options_.target : options_.target;
  const std::int64_t d = std::ssize(blocks_) - 1, w = std::ssize(widths_) - 1,
                     r = std::ssize(sides_) - 1;
  // Drops the options below the last of which `ratio_at` is within the goal.
  const auto shorten = [&](auto& options, const auto& ratio_at) {
    for (std::int64_t i = std::ssize(options) - 1; i > 0; --i) {
      if (ratio_at(i) > goal) continue;
      options.erase(options.begin(), options.begin() + i);
      return;
    }
  };
  std::vector<std::int64_t> blocks = blocks_, sides = sides_;
  std::vector<WidthOption> widths = widths_;
  shorten(blocks, [&](std::int64_t i) { return ratio(i, w, r); });
  shorten(widths, [&](std::int64_t i) { return ratio(d, i, r); });
  shorten(sides, [&](std::int64_t i) { return ratio(d, w, i); });
  blocks_ = std::move(blocks);
  widths_ = std::move(widths);
  sides_ = std::move(sides);
  dearest_.clear();
}

Space::Cheapest Space::find_cheapest() {
  // A wider candidate of the same depth is never cheaper, but a deeper one may be: with fewer
  // blocks the same share of channels is spread in another way.
  Cheapest result{0, 0, 0, std::numeric_limits<double>::infinity()};
  for (std::int64_t d = 0; d < std::ssize(blocks_); ++d) {
    for (std::int64_t r = 0; r < std::ssize(sides_); ++r) {
      if (const double x = ratio(d, 0, r); x < result.ratio) result = {d, 0, r, x};
    }
  }
  return result;
}

map::Point Space::lower() const {
  return {grid_.depth.front(), grid_.width.front(), grid_.resolution.front()};
}

GridIndex Space::whole() const {
  return {std::ssize(blocks_) - 1, std::ssize(widths_) - 1, std::ssize(sides_) - 1};
}

map::Point Space::place(const GridIndex& at) const {
  return {grid_.depth[static_cast<std::size_t>(at.depth)],
          grid_.width[static_cast<std::size_t>(at.width)],
          grid_.resolution[static_cast<std::size_t>(at.resolution)]};
}

std::vector<map::Point> Space::places(const std::vector<GridIndex>& candidates) const {
  std::vector<map::Point> result;
  for (const GridIndex& at : candidates) result.push_back(place(at));
  return result;
}

std::int64_t Space::widest_within_target(std::int64_t depth, std::int64_t resolution) {
  std::int64_t low = -1, high = std::ssize(widths_);  // fits, does not fit
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (meets_target({depth, middle, resolution}) ? low : high) = middle;
  }
  return low;
}

std::vector<GridIndex> Space::widest_candidates() {
  std::vector<GridIndex> result;
  for (std::int64_t d = 0; d < std::ssize(blocks_); ++d) {
    for (std::int64_t r = 0; r < std::ssize(sides_); ++r) {
      const std::int64_t w = widest_within_target(d, r);
      if (w >= 0) result.push_back({d, w, r});
    }
  }
  return result;
}

std::vector<GridIndex> Space::budget_frontier() {
  const std::vector<GridIndex> all = widest_candidates();
  std::vector<GridIndex> result;
  std::ranges::copy_if(all, std::back_inserter(result), [&](const GridIndex& at) {
    return std::ranges::none_of(all, [&](const GridIndex& other) {
      return other != at && other.depth >= at.depth && other.width >= at.width &&
             other.resolution >= at.resolution;
    });
  });
  return result;
}

std::vector<std::int64_t> Space::depth_points() const {
  return picked(blocks_, steps_down(grid_.depth, options_.rounds));
}

std::vector<double> Space::width_points() const {
  return picked(grid_.width, steps_down(grid_.width, options_.rounds));
}

std::vector<std::int64_t> Space::resolution_points() const {
  return picked(sides_, steps_down(grid_.resolution, options_.rounds));
}

std::vector<map::Point> Space::points() const {
  std::vector<map::Point> result{{}};
  const auto along = [&](const std::vector<double>& shares, double map::Point::*coordinate) {
    for (std::size_t i : steps_down(shares, options_.rounds)) {
      result.emplace_back().*coordinate = shares[i];
    }
  };
  along(grid_.depth, &map::Point::d);
  along(grid_.width, &map::Point::w);
  along(grid_.resolution, &map::Point::r);
  return result;
}

double Space::ratio(std::int64_t depth, std::int64_t width, std::int64_t resolution) {
  if (!cost_->may_fall_with_width()) return own_ratio(depth, width, resolution);
  std::vector<double>& dearest = dearest_[{blocks_[static_cast<std::size_t>(depth)],
                                           sides_[static_cast<std::size_t>(resolution)]}];
  while (std::ssize(dearest) <= width) {
    const double own = own_ratio(depth, std::ssize(dearest), resolution);
    dearest.push_back(dearest.empty() ? own : std::max(dearest.back(), own));
  }
  return dearest[static_cast<std::size_t>(width)];
}

double Space::own_ratio(std::int64_t depth, std::int64_t width, std::int64_t resolution) {
  return cost_->ratio(place({depth, width, resolution}), graph(depth, width),
                      sides_[static_cast<std::size_t>(resolution)]);
}

const nn::Graph& Space::graph(std::int64_t depth, std::int64_t width) {
  const std::int64_t blocks = blocks_[static_cast<std::size_t>(depth)];
  const double asked = widths_[static_cast<std::size_t>(width)].asked;
  const auto key = std::pair(blocks, asked);
  if (const auto found = graphs_.find(key); found != graphs_.end()) return found->second;
  if (!shallow_ || shallow_->blocks != blocks) {
    shallow_.reset();
    nn::Network network = remove_blocks(original_, importance_, blocks);
    Units units = units_of(network.graph(), options_);
    std::vector<double> scores;
    if (widths_.size() > 1) scores = score_(network, units);
    shallow_.emplace(Shallow{blocks, std::move(network), std::move(units), std::move(scores)});
  }
  const nn::Network& network = shallow_->network;
  if (asked >= 1.0) return graphs_.emplace(key, network.graph()).first->second;
  const CutPlan plan{.units =
                         select_units(shallow_->units, shallow_->scores, asked, options_.limits)};
  return graphs_.emplace(key, cut(network, plan).network.graph()).first->second;
}

std::vector<CostSample> Space::samples() {
  const auto places = [](std::size_t n) {
    const auto last = static_cast<std::int64_t>(n) - 1;
    return std::vector<std::int64_t>{0, last / 2, last};
  };
  std::vector<CostSample> result;
  for (std::int64_t d : places(blocks_.size())) {
    for (std::int64_t w : places(widths_.size())) {
      for (std::int64_t r : places(sides_.size())) {
        result.push_back({place({d, w, r}), ratio(d, w, r)});
      }
    }
  }
  return result;
}

}  // namespace trifold::pruning
