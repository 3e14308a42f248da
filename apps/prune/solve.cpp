/// From the predictor to the point to prune to, and how sure it is.
#include "map/solve_continuous.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apps/prune/latency.h"
#include "apps/prune/run.h"
#include "map/bias.h"
#include "map/budget_surface.h"
#include "map/determinacy.h"
#include "map/families.h"
#include "map/measured_budget.h"
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

ContinuousResult continuous_optimum(pruning::Space& space, const map::Predictor& predictor) {
  const map::Point least = space.lower();
  const map::CostModel cost = space.cost().continuous(space.samples());
  // Where the smooth cost is a little above the counted one at the least point, that point is the
  // answer.
  const double budget = std::max(space.options().target, cost.ratio(least));
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

// The best within the target, the very best first. Neighbours in width are hardly another network: the
// best of each depth and resolution counts.
std::vector<Candidate> best_candidates(pruning::Space& space, const map::Predictor& predictor) {
  std::vector<Candidate> result;
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  const std::int64_t all =
      std::ssize(space.blocks()) * std::ssize(space.widths()) * std::ssize(space.sides());
  for (const map::DiscreteCandidate& c : map::solve_discrete(
           predictor, space.grid(),
           [&](std::int64_t d, std::int64_t w, std::int64_t r) { return space.ratio(d, w, r); },
           space.options().target, all)) {
    if (std::ssize(result) == kept_candidates) break;
    if (!seen.emplace(c.depth, c.resolution).second) continue;
    result.push_back(candidate_at(space, {c.depth, c.width, c.resolution}, c.accuracy));
  }
  return result;
}

// The cost of the cheapest network that is predicted to lose at most --max-drop.
double least_cost(const PruneRun& run, pruning::Space& space, const map::Predictor& predictor) {
  const double least_accuracy = predictor.value(space.place(space.whole())) - run.options.max_drop;
  double least = 1;
  const auto count = [](const auto& options) { return std::ssize(options); };
  for (std::int64_t d = 0; d < count(space.blocks()); ++d) {
    for (std::int64_t w = 0; w < count(space.widths()); ++w) {
      for (std::int64_t r = 0; r < count(space.sides()); ++r) {
        if (predictor.value(space.place({d, w, r})) < least_accuracy) continue;
        least = std::min(least, space.ratio(d, w, r));
      }
    }
  }
  run.callbacks.say(fmt::format("{:.4f} of the cost is predicted to lose at most {} points", least,
                                run.options.max_drop));
  return std::max(least, space.cheapest().ratio);
}

double measured_share(const PruneRun& run, const Candidate& candidate) {
  return measured_share(run, cut_base(run, candidate).network.graph(), candidate.side);
}

// Leaves in `space` the budget whose best candidate is measured to take as long as the target says.
// Costs are then told as they would be measured, if all predictions were off like that one's.
std::vector<Candidate> candidates_in_time(const PruneRun& run, pruning::Space& space,
                                          const map::Predictor& predictor) {
  const double target = space.options().target;
  const auto best_of = [&](double budget) {
    space.set_target(budget);
    return best_candidates(space, predictor);
  };
  const map::MeasuredBudget found = map::meet_measured(
      target, std::min(target, space.cheapest().ratio),
      [&](double budget) { return measured_share(run, best_of(budget).front()); });
  std::vector<Candidate> candidates = best_of(found.budget);
  if (!found.met) {
    run.callbacks.say(fmt::format(
        "the best network found for the target takes {:.3f} of the original's time, not {:.3f}",
        found.measured, target));
  }
  const double off = found.measured / candidates.front().cost;
  for (Candidate& c : candidates) c.cost *= off;
  candidates.front().time = found.measured;
  return candidates;
}

// Of the candidates that are predicted nearly as accurate as the best the fastest goes first.
void put_fastest_first(const PruneRun& run, std::vector<Candidate>& candidates) {
  const double enough = candidates.front().predicted - run.options.trade;
  const auto end =
      std::ranges::find_if(candidates, [&](const Candidate& c) { return c.predicted < enough; });
  for (auto c = candidates.begin(); c != end; ++c) {
    if (!c->time) c->time = measured_share(run, *c);
  }
  const auto fastest =
      std::min_element(candidates.begin(), end,
                       [](const Candidate& a, const Candidate& b) { return *a.time < *b.time; });
  std::rotate(candidates.begin(), fastest, fastest + 1);
}

}  // namespace

Candidate candidate_at(pruning::Space& space, const pruning::GridIndex& at, double predicted) {
  return {.at = space.place(at),
          .blocks = space.blocks()[static_cast<std::size_t>(at.depth)],
          .width = space.widths()[static_cast<std::size_t>(at.width)].asked,
          .side = space.sides()[static_cast<std::size_t>(at.resolution)],
          .cost = space.ratio(at.depth, at.width, at.resolution),
          .predicted = predicted,
          .time = {}};
}

void solve(PruneRun& run) {
  const FitResult fitted = run.journal.at<FitResult>("fit");
  const Solution solution = run.journal.run<Solution>("solve", [&] {
    const std::unique_ptr<map::Predictor> predictor = map::make_predictor(fitted.data);
    pruning::Space space = space_of(run, run.base, block_importance(run));
    if (run.options.max_drop > 0) space.set_target(least_cost(run, space, *predictor));
    Solution result;
    result.candidates = run.options.cost == "latency" ? candidates_in_time(run, space, *predictor)
                                                      : best_candidates(space, *predictor);
    if (run.options.trade > 0) put_fastest_first(run, result.candidates);
    result.budget = space.options().target;
    result.continuous = continuous_optimum(space, *predictor);
    result.surface = budget_table(space, *predictor);
    result.certainty = certainty(run, fitted, *predictor, space);
    return result;
  });
  const Candidate& best = solution.candidates.front();
  const ContinuousResult& kkt = solution.continuous;
  run.callbacks.say(fmt::format(
      "chosen: d {:.3f} ({} blocks), w {:.3f}, r {:.3f} ({} pixels), predicted {:.2f} %{}; "
      "continuous optimum d {:.3f}, w {:.3f}, r {:.3f}, predicted {:.2f} %",
      best.at.d, best.blocks, best.at.w, best.at.r, best.side, best.predicted,
      best.time ? fmt::format(", measured {:.3f} of the original's time", *best.time) : "",
      kkt.at.d, kkt.at.w, kkt.at.r, kkt.predicted));
  if (!solution.certainty.determined) run.callbacks.say(solution.certainty.reason);
}

}  // namespace trifold::apps
