#include "apps/prune/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/runtime/error.h"
#include "kernels/runtime/memory.h"

namespace trifold::apps {
namespace {

constexpr double points_share = 1.0 / 3.0;
constexpr double least_point_images = 1000, most_point_epochs = 10, most_epochs = 400;

double point_cost(const Workload& w) { return 0.5 * (1 + w.target) * w.train_seconds; }

double epoch_seconds(const Workload& w) {
  return static_cast<double>(w.images) *
         (w.target * w.train_seconds + w.taught_seconds - w.train_seconds);
}

double measured_seconds(const PruneRun& run, bool taught) {
  const std::optional<double> seconds = seconds_per_image(run, taught);
  require<ConfigError>(seconds.has_value(),
                       "--budget measures the speed by three batches or more; give a smaller "
                       "--batch");
  return *seconds;
}

Workload workload(const PruneRun& run) {
  const PruneOptions& o = run.options;
  const std::int64_t dimensions = int{o.prune_depth} + int{o.prune_width} + int{o.prune_resolution};
  const double plain = measured_seconds(run, false);
  return {
      .seconds = 3600 * o.budget_hours,
      .train_seconds = plain,
      .taught_seconds = o.teacher_weight > 0 ? std::max(plain, measured_seconds(run, true)) : plain,
      .target = o.target,
      .points =
          1 + o.repeats + o.rounds * dimensions + o.off_axes + (o.finalists > 1 ? o.finalists : 0),
      .images = run.train.count,
      .held_out = run.held_out.count,
      .heal_epochs = o.heal_epochs};
}

}  // namespace

// Steps of a copy of the original, after two to warm up.
std::optional<double> seconds_per_image(const PruneRun& run, bool taught) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t warm_up = 2, least = 5;
  constexpr std::chrono::seconds enough(2);
  nn::Network network = run.original.network.clone();
  nn::TrainOptions options =
      training_options(run, {.step = "", .data = run.train, .taught = taught, .warms_up = false});
  options.epochs = 1;
  options.lr = 0;
  nn::Trainer trainer(network, run.train, run.original.info.normalisation,
                      run.original.info.input_size(), options, run.ex);
  std::int64_t steps = 0;
  Clock::time_point start = Clock::now(), end = start;
  trainer.run_epoch([&](const nn::Progress&) {
    kernels::synchronize(run.ex.device, run.ex.stream);
    end = Clock::now();
    if (++steps <= warm_up) start = end;
    return steps - warm_up < least || end - start < enough;
  });
  if (steps <= warm_up) return std::nullopt;
  const std::chrono::duration<double> time = end - start;
  return time.count() / static_cast<double>((steps - warm_up) * options.batch);
}

Schedule schedule_for(const Workload& w) {
  const auto points = static_cast<double>(w.points), images = static_cast<double>(w.images);
  const double least_images = std::min(least_point_images, images);
  const auto points_seconds = [&](double trained) {
    return points * point_cost(w) * (trained + static_cast<double>(w.held_out));
  };
  const double heal = static_cast<double>(w.heal_epochs) * epoch_seconds(w);
  const double least = points_seconds(least_images) + heal + epoch_seconds(w);
  require<ConfigError>(
      w.seconds >= least,
      "--budget is {:.3g} hours, but {} data points of {} images each and one epoch "
      "of the result take {:.3g} here; give that at least, or fewer --rounds",
      w.seconds / 3600, w.points, least_images, least / 3600);
  const double wanted =
      points_share * w.seconds / (points * point_cost(w)) - static_cast<double>(w.held_out);
  Schedule result;
  double trained = std::max(wanted, least_images);
  if (trained >= images) {
    const double epochs = std::min(std::floor(trained / images), most_point_epochs);
    result.round_epochs = static_cast<std::int64_t>(epochs);
    trained = epochs * images;
  } else {
    result.round_images = static_cast<std::int64_t>(trained);
  }
  const double rest = w.seconds - points_seconds(trained) - heal;
  result.finetune_epochs =
      static_cast<std::int64_t>(std::clamp(std::floor(rest / epoch_seconds(w)), 1.0, most_epochs));
  return result;
}

void resolve_schedule(PruneRun& run) {
  PruneOptions& o = run.options;
  if (o.budget_hours > 0) {
    if (!run.schedule && run.journal.has("plan")) {
      run.schedule = run.journal.at<PlanResult>("plan").schedule;
      require<ConfigError>(run.schedule.has_value(), "the run was planned without --budget");
    }
    if (!run.schedule) run.schedule = schedule_for(workload(run));
    o.round_images = run.schedule->round_images;
    o.round_epochs = run.schedule->round_epochs;
    o.finetune_epochs = run.schedule->finetune_epochs;
    check_epochs(o);
  }
  run.round_train = o.round_images > 0 && o.round_images < run.train.count
                        ? nn::split_held_out(run.train, o.round_images, o.training.seed).held_out
                        : run.train;
}

}  // namespace trifold::apps
