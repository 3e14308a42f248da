/// From data points to the accuracy predictor.
#include <algorithm>

#include "apps/prune/run.h"
#include "kernels/runtime/error.h"
#include "map/error.h"
#include "map/noise.h"
#include "map/select.h"

namespace trifold::apps {
namespace {

// Standard deviation of one measurement: of repeated points where there are any, else that of
// counting right answers among so many images, or of following learning curves, or what the fit
// leaves over, if that is more.
double noise_of(const PruneRun& run, const std::vector<map::Sample>& samples, double rmse) {
  if (const std::optional<map::Noise> repeated = map::noise_of_repeats(samples)) {
    return repeated->sd;
  }
  double variance = 0;
  for (const DataPoint& point : data_points(run)) {
    const double counting =
        point.accuracy() * (100 - point.accuracy()) / static_cast<double>(run.held_out.count);
    const double following = point.deviation.value_or(0);
    variance += std::max(counting, following * following);
  }
  return std::max(std::sqrt(variance / static_cast<double>(samples.size())), rmse);
}

FamilyRecord record(const map::FamilyScore& score) {
  FamilyRecord row{.name = score.family,
                   .description = score.description,
                   .monotone = score.monotone,
                   .plausible = score.plausible,
                   .free_parameters = score.free_parameters,
                   .rmse = score.rmse,
                   .loo_mae = {},
                   .rank_correlation = {},
                   .problem = score.problem};
  if (score.left_out) {
    row.loo_mae = score.left_out->mae;
    row.rank_correlation = score.left_out->spearman;
  }
  return row;
}

}  // namespace

std::vector<DataPoint> data_points(const PruneRun& run) {
  std::vector<DataPoint> points;
  for (const std::string& step : run.journal.steps()) {
    if (step.starts_with("collect/")) points.push_back(run.journal.at<DataPoint>(step));
  }
  return points;
}

std::vector<map::Sample> samples_of(const PruneRun& run) {
  std::vector<map::Sample> samples;
  for (const DataPoint& point : data_points(run)) samples.push_back({point.at(), point.accuracy()});
  return samples;
}

FitResult fit_predictor(const PruneRun& run) {
  const std::vector<map::Sample> samples = samples_of(run);
  try {
    map::Selection selection = map::select_family(samples);
    if (run.options.predictor != "auto") {
      const auto row =
          std::ranges::find(selection.table, run.options.predictor, &map::FamilyScore::family);
      require<ConfigError>(row->model != nullptr, "--predictor {} can't be fitted: {}",
                           run.options.predictor, row->problem);
      selection.chosen = static_cast<std::size_t>(row - selection.table.begin());
      selection.reason = fmt::format("{} was asked for.", row->family);
    }
    const map::FamilyScore& chosen = selection.table[selection.chosen];
    FitResult result{.family = chosen.family,
                     .reason = selection.reason,
                     .data = chosen.model->data(),
                     .samples = std::ssize(samples),
                     .rmse = chosen.rmse,
                     .loo_mae = {},
                     .loo_max = {},
                     .rank_correlation = {},
                     .noise = noise_of(run, samples, chosen.rmse),
                     .table = {}};
    if (chosen.left_out) {
      result.loo_mae = chosen.left_out->mae;
      result.loo_max = chosen.left_out->max_error;
      result.rank_correlation = chosen.left_out->spearman;
    }
    for (const map::FamilyScore& row : selection.table) result.table.push_back(record(row));
    return result;
  } catch (const map::FitError& e) {
    throw ConfigError(fmt::format("the accuracy predictor can't be fitted: {}", e.what()));
  }
}

void check_determined(const PruneOptions& options, const std::vector<map::Point>& points) {
  if (options.predictor == "auto") return;
  // Whether a fit has enough points doesn't depend on what was measured there.
  std::vector<map::Sample> samples;
  for (const map::Point& p : points) samples.push_back({p, 90 + p.d + p.w + p.r});
  try {
    map::predictor_family(options.predictor).fit(samples);
  } catch (const map::FitError& e) {
    throw ConfigError(
        fmt::format("--predictor is {}, but {} data points (--rounds {} along each dimension, "
                    "--off-axes {}) don't determine it: {}",
                    options.predictor, points.size(), options.rounds, options.off_axes, e.what()));
  }
}

void fit(PruneRun& run) {
  run.journal.at<DataPoint>("collect/original-0");
  run.journal.run<FitResult>("fit", [&] {
    const FitResult result = fit_predictor(run);
    run.callbacks.say(fmt::format(
        "accuracy predictor: {}, {} points, fit error {:.3f}, leave-one-out error "
        "{} points, rank correlation {}",
        result.family, result.samples, result.rmse,
        result.loo_mae ? fmt::format("{:.3f}", *result.loo_mae) : "unknown",
        result.rank_correlation ? fmt::format("{:.3f}", *result.rank_correlation) : "unknown"));
    return result;
  });
}

}  // namespace trifold::apps
