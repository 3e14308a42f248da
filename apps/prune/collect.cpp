/// Collecting data points: networks of the space, pruned and shortly trained by one schedule.
#include <algorithm>
#include <iterator>

#include "apps/cli/exit_code.h"
#include "apps/prune/axis_points.h"
#include "apps/prune/run.h"
#include "apps/prune/share.h"
#include "map/bootstrap.h"
#include "map/families.h"
#include "map/learning_curve.h"
#include "map/placement.h"
#include "pruning/cost.h"
#include "pruning/depth.h"
#include "pruning/surgery.h"
#include "pruning/width.h"

namespace trifold::apps {
namespace {

// A network somewhere in the space.
struct Place {
  nn::Network network;
  std::int64_t side;
  double d = 1, w = 1, r = 1;
};

struct PointTraining {
  std::string step, dimension;
  std::int64_t round = 0;
  double bn_l1 = 0;
  std::uint64_t seed_offset = 0;
};

// Follows the point's learning curve as far as the result will train, counted in images.
void follow_curve(const PruneRun& run, DataPoint& point) {
  std::vector<double> errors;
  for (const EpochRecord& epoch : point.curve) errors.push_back(100 - epoch.held_out.value());
  const double epochs = static_cast<double>(run.options.finetune_epochs * run.train.count) /
                        static_cast<double>(run.round_train.count);
  const map::Extrapolation end =
      map::extrapolate(errors, std::max(epochs, static_cast<double>(errors.size())));
  point.extrapolated = 100 - end.error;
  point.deviation = end.deviation;
}

DataPoint measure(PruneRun& run, const PointTraining& what, Place& p) {
  const pruning::Cost cost = pruning::count_cost(p.network.graph(), p.side);
  DataPoint point{.dimension = what.dimension,
                  .round = what.round,
                  .d = p.d,
                  .w = p.w,
                  .r = p.r,
                  .side = p.side,
                  .macs = cost.macs,
                  .params = cost.params,
                  .raw = held_out_top1(run, p.network, p.side),
                  .curve = {}};
  reestimate(run, p.network, p.side);
  point.reestimated = held_out_top1(run, p.network, p.side);
  naming_rate("--round-lr", [&] {
    point.curve = train(run, p.network,
                        {.step = what.step,
                         .data = run.round_train,
                         .side = p.side,
                         .epochs = run.options.round_epochs,
                         .lr = run.options.round_lr,
                         .bn_l1 = what.bn_l1,
                         .constant_rate = run.options.extrapolate,
                         .judge_every_epoch = run.options.extrapolate,
                         .seed_offset = what.seed_offset});
    point.top1 = held_out_top1(run, p.network, p.side);
    return 0;
  });
  if (run.options.extrapolate) follow_curve(run, point);
  store_network(run, what.step, p.network, p.side);
  run.callbacks.say(fmt::format(
      "{:<22} d {:.3f}  w {:.3f}  r {:.3f}  {:6.2f} M MACs  held-out top-1 {:.2f} -> {:.2f} -> "
      "{:.2f} %{}",
      what.step, p.d, p.w, p.r, static_cast<double>(cost.macs) / 1e6, point.raw, point.reestimated,
      point.top1,
      point.extrapolated
          ? fmt::format(", leading to {:.2f} +- {:.2f} %", *point.extrapolated, *point.deviation)
          : ""));
  return point;
}

DataPoint measure_once(PruneRun& run, const PointTraining& what,
                       const std::function<Place()>& make) {
  const DataPoint point = do_step<DataPoint>(run, what.step, [&] {
    Place place = make();
    return measure(run, what, place);
  });
  run.times.save();
  return point;
}

Task measuring(PruneRun& run, const PointTraining& what, const std::function<Place()>& make) {
  return {what.step, [&run, what, make] { measure_once(run, what, make); }};
}

Place base_place(const PruneRun& run) {
  return {.network = run.base.clone(), .side = run.original.info.side};
}

// The paper's schedule: each point is cut from the one before it.
class Iteration {
 public:
  Iteration(PruneRun& run, std::string dimension)
      : run_(run), dimension_(std::move(dimension)), place_(stored("collect/original-0")) {}

  Place& place() { return place_; }

  // Measures the next point; `cut` changes the place first.
  void step(double bn_l1, const std::function<void(Place&)>& cut) {
    const std::string step = fmt::format("collect/{}-{}", dimension_, ++round_);
    measure_once(run_, {.step = step, .dimension = dimension_, .round = round_, .bn_l1 = bn_l1},
                 [&] {
                   cut(place_);
                   return Place{place_.network.clone(), place_.side, place_.d, place_.w, place_.r};
                 });
    // Measured now or in a process before this one, the next point starts from the stored network.
    place_ = stored(step);
  }

 private:
  Place stored(const std::string& step) const {
    const DataPoint point = run_.journal.at<DataPoint>(step);
    return {stored_network(run_, step), point.side, point.d, point.w, point.r};
  }

  PruneRun& run_;
  std::string dimension_;
  Place place_;
  std::int64_t round_ = 0;
};

void iterate_depth(PruneRun& run, const pruning::Space& space) {
  const auto all = static_cast<double>(space.blocks().back());
  Iteration points(run, "depth");
  for (std::int64_t keep : space.depth_points()) {
    points.step(0.0, [&](Place& p) {
      const pruning::CutPlan plan{
          .keep_block = pruning::select_blocks(p.network.graph(),
                                               measure_blocks(run, p.network, p.side).mean, keep)};
      p.network = std::move(pruning::cut(p.network, plan).network);
      p.d = static_cast<double>(keep) / all;
    });
  }
}

void iterate_width(PruneRun& run, const pruning::Space& space) {
  // The floors are shares of the original's groups, in every round.
  pruning::WidthLimits limits = space.options().limits;
  limits.group_floors = pruning::group_floors(
      pruning::units_of(run.original.network.graph(), space.options()), limits);
  Iteration points(run, "width");
  for (double w : space.width_points()) {
    // Where channels are rounded, a round may have gone as far as the next one was to go.
    if (w > points.place().w - 1e-9) continue;
    points.step(run.options.bn_l1, [&](Place& p) {
      const pruning::Units units = pruning::units_of(p.network.graph(), space.options());
      const pruning::UnitSelection selection =
          pruning::nearest_selection(units, unit_scores(run)(p.network, units), w / p.w, limits);
      p.w *= selection.kept_fraction();
      p.network = std::move(pruning::cut(p.network, {.units = selection}).network);
    });
  }
}

void iterate_resolution(PruneRun& run, const pruning::Space& space) {
  const auto full = static_cast<double>(space.sides().back());
  Iteration points(run, "resolution");
  for (std::int64_t side : space.resolution_points()) {
    points.step(0.0, [&](Place& p) {
      p.side = side;
      p.r = static_cast<double>(side) / full;
    });
  }
}

// Each point is cut from the base in one go, as the result will be.
std::vector<Task> cuts_along_axes(PruneRun& run, pruning::Space& space) {
  std::vector<Task> tasks;
  for (const AxisPoint& point : axis_points(space)) {
    tasks.push_back({point.step(), [&run, point, candidate = candidate_at(space, point.at, 0)] {
                       measure_candidate(run, point.step(), point.dimension, point.round,
                                         candidate);
                     }});
  }
  return tasks;
}

// Points in several dimensions at once, each where the optimum may be and is least known after those
// before it: a chain, and what follows when all others are measured.
void measure_off_axes(PruneRun& run, pruning::Space& space) {
  for (std::int64_t round = 1; round <= run.options.off_axes; ++round) {
    const std::string step = fmt::format("collect/joint-{}", round);
    if (run.journal.has(step)) continue;
    const FitResult fitted = fit_predictor(run);
    const std::vector<map::Sample> samples = samples_of(run);
    // The draws of one family share what it assumes; the others that the points allow don't.
    std::vector<std::shared_ptr<const map::Predictor>> ensemble;
    constexpr std::int64_t draws_of_each = 20;
    std::vector<pruning::GridIndex> candidates = space.budget_frontier();
    // The same training again would repeat the same bits, and look like a measurement without noise.
    std::erase_if(candidates, [&](const pruning::GridIndex& at) {
      return std::ranges::find(samples, space.place(at), &map::Sample::at) != samples.end();
    });
    if (candidates.empty()) return;
    const std::vector<map::Point> places = space.places(candidates);
    for (const FamilyRecord& family : fitted.table) {
      if (!family.plausible) continue;
      const auto any = [](const map::Predictor&) { return map::Optimum{}; };
      const map::Bootstrap sample = map::bootstrap(
          samples, map::predictor_family(family.name).fit, any,
          {.draws = draws_of_each, .noise = fitted.noise, .seed = run.options.training.seed});
      ensemble.insert(ensemble.end(), sample.models.begin(), sample.models.end());
    }
    const std::vector<map::Proposal> proposed =
        map::propose_points(ensemble, places, 1, fitted.noise);
    if (proposed.empty()) return;  // no network of the space is pruned in two dimensions
    const auto where = std::ranges::find(places, proposed.front().at) - places.begin();
    measure_candidate(run, step, "joint", round,
                      candidate_at(space, candidates[static_cast<std::size_t>(where)], 0));
  }
}

}  // namespace

DataPoint measure_candidate(PruneRun& run, const std::string& step, const std::string& dimension,
                            std::int64_t round, const Candidate& candidate,
                            std::uint64_t seed_offset) {
  // What the candidate was chosen by, so that a resumed run sees the same costs.
  if (run.latency) run.latency->save();
  return measure_once(
      run, {.step = step, .dimension = dimension, .round = round, .seed_offset = seed_offset}, [&] {
        return Place{.network = cut_base(run, candidate).network,
                     .side = candidate.side,
                     .d = candidate.at.d,
                     .w = candidate.at.w,
                     .r = candidate.at.r};
      });
}

void collect(PruneRun& run) {
  if (run.options.sparsity_epochs > 0) run.journal.at<BaseResult>("sparsify");
  pruning::Space space = space_of(run, run.base, block_importance(run));
  std::vector<Task> tasks;
  // The base is trained by the schedule of the other points too, so that they compare.
  for (std::int64_t i = 0; i <= run.options.repeats; ++i) {
    tasks.push_back(measuring(run,
                              {.step = fmt::format("collect/original-{}", i),
                               .dimension = "original",
                               .round = i,
                               .seed_offset = static_cast<std::uint64_t>(i)},
                              [&] { return base_place(run); }));
  }
  if (run.options.iterative) {
    share(run, std::move(tasks));  // the chains start from the first of them
    tasks = {{"collect/depth-1", [&] { iterate_depth(run, space); }},
             {"collect/width-1", [&] { iterate_width(run, space); }},
             {"collect/resolution-1", [&] { iterate_resolution(run, space); }}};
  } else {
    std::ranges::move(cuts_along_axes(run, space), std::back_inserter(tasks));
  }
  share(run, std::move(tasks));
  if (run.options.off_axes > 0) {
    share(run, {{"collect/joint-1", [&] { measure_off_axes(run, space); }}});
  }
}

}  // namespace trifold::apps
