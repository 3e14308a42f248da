/// From the predictor to the point to prune to, and how sure it is.
#include "map/solve_continuous.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apps/prune/run.h"
#include "map/bias.h"
#include "map/budget_surface.h"
#include "map/determinacy.h"
#include "map/families.h"
#include "map/solve_discrete.h"

namespace trifold::apps {
namespace {

constexpr std::int64_t kept_candidates = 10;
constexpr std::int64_t draws = 200;  // of the bootstrap
constexpr double bias = 0.5;         // points, in the study of a biased axis

// For every (depth, resolution), the widest candidate within the target and its prediction.
BudgetTable budget_table(pruning::Space& space, const map::Predictor& predictor) {
  const map::DiscreteSpace& grid = space.grid();
  BudgetTable table{.blocks = space.blocks(), .sides = space.sides(), .width = {}, .predicted = {}};
  for (std::size_t d = 0; d < grid.depth.size(); ++d) {
    std::vector<std::optional<double>> widths, predictions;
    for (std::size_t r = 0; r < grid.resolution.size(); ++r) {
      const auto depth = static_cast<std::int64_t>(d), side = static_cast<std::int64_t>(r);
      const std::int64_t w = space.widest_within_target(depth, side);
      widths.emplace_back();
      predictions.emplace_back();
      if (w < 0) continue;
      const map::Point at = space.place({depth, w, side});
      widths.back() = at.w;
      predictions.back() = predictor.value(at);
    }
    table.width.push_back(std::move(widths));
    table.predicted.push_back(std::move(predictions));
  }
  return table;
}

ContinuousResult continuous_optimum(const PruneRun& run, pruning::Space& space,
                                    const map::Predictor& predictor) {
  const map::Point least = space.lower();
  const map::CostModel cost = space.cost().continuous(space.samples());
  // Where the smooth cost is a little above the counted one at the least point, that point is the
  // answer.
  const double budget = std::max(run.options.target, cost.ratio(least));
  const map::ContinuousSolution kkt = map::solve_continuous(predictor, cost, budget, least);
  return {.at = kkt.at,
          .predicted = kkt.accuracy,
          .cost = kkt.cost,
          .multiplier = kkt.multiplier,
          .accuracy_elasticity = map::point_of(kkt.accuracy_elasticity),
          .cost_elasticity = map::point_of(kkt.cost_elasticity),
          .kkt_residual = kkt.kkt_residual,
          .explanation = map::explain(kkt)};
}

IntervalRecord record(const map::Interval& i) { return {i.low, i.middle, i.high}; }

// Fits perturbed points again and looks where the optimum goes.
Certainty certainty(const PruneRun& run, const FitResult& fitted, const map::Predictor& predictor,
                    pruning::Space& space) {
  const std::vector<map::Sample> samples = samples_of(run);
  const map::FitFunction& fit = map::predictor_family(fitted.family).fit;
  const std::vector<map::Point> places = space.places(space.budget_frontier());
  const auto solve = [&](const map::Predictor& model) {
    const auto best =
        std::ranges::max_element(places, {}, [&](const map::Point& p) { return model.value(p); });
    return map::Optimum{*best, model.value(*best)};
  };
  Certainty result;
  const map::Bootstrap sample =
      map::bootstrap(samples, fit, solve,
                     {.draws = draws, .noise = fitted.noise, .seed = run.options.training.seed});
  result.d = record(sample.d);
  result.w = record(sample.w);
  result.r = record(sample.r);
  result.accuracy = record(sample.accuracy);
  for (const map::Optimum& o : sample.optima) result.cloud.push_back(o.at);
  constexpr std::array names = {"depth", "width", "resolution"};
  for (const map::BiasedChoice& row : map::bias_study(samples, fit, solve, bias)) {
    result.biased.push_back({names[row.axis], row.bias, row.optimum.at, row.loss});
  }
  const map::Determinacy judged = map::judge_optimum(predictor, sample, places, fitted.noise);
  result.determined = judged.determined;
  result.reason = judged.reason;
  return result;
}

}  // namespace

Candidate candidate_at(pruning::Space& space, const pruning::GridIndex& at, double predicted) {
  return {.at = space.place(at),
          .blocks = space.blocks()[static_cast<std::size_t>(at.depth)],
          .width = space.widths()[static_cast<std::size_t>(at.width)].asked,
          .side = space.sides()[static_cast<std::size_t>(at.resolution)],
          .cost = space.ratio(at.depth, at.width, at.resolution),
          .predicted = predicted};
}

void solve(PruneRun& run) {
  const FitResult fitted = run.journal.at<FitResult>("fit");
  run.journal.run<Solution>("solve", [&] {
    const std::unique_ptr<map::Predictor> predictor = map::make_predictor(fitted.data);
    pruning::Space space = space_of(run, run.base, block_importance(run));
    Solution result{.continuous = continuous_optimum(run, space, *predictor),
                    .candidates = {},
                    .surface = budget_table(space, *predictor),
                    .certainty = {}};
    // Neighbours in width are hardly another network: the best of each depth and resolution counts.
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    const std::int64_t all =
        std::ssize(space.blocks()) * std::ssize(space.widths()) * std::ssize(space.sides());
    for (const map::DiscreteCandidate& c : map::solve_discrete(
             *predictor, space.grid(),
             [&](std::int64_t d, std::int64_t w, std::int64_t r) { return space.ratio(d, w, r); },
             run.options.target, all)) {
      if (std::ssize(result.candidates) == kept_candidates) break;
      if (!seen.emplace(c.depth, c.resolution).second) continue;
      result.candidates.push_back(
          candidate_at(space, {c.depth, c.width, c.resolution}, c.accuracy));
    }
    result.certainty = certainty(run, fitted, *predictor, space);
    const Candidate& best = result.candidates.front();
    const ContinuousResult& kkt = result.continuous;
    run.callbacks.say(fmt::format(
        "chosen: d {:.3f} ({} blocks), w {:.3f}, r {:.3f} ({} pixels), predicted {:.2f} %; "
        "continuous optimum d {:.3f}, w {:.3f}, r {:.3f}, predicted {:.2f} %",
        best.at.d, best.blocks, best.at.w, best.at.r, best.side, best.predicted, kkt.at.d, kkt.at.w,
        kkt.at.r, kkt.predicted));
    if (!result.certainty.determined) run.callbacks.say(result.certainty.reason);
    return result;
  });
}

}  // namespace trifold::apps
