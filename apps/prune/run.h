/// One pruning run: its inputs, its folder, and the stages that work on them.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/prune/journal.h"
#include "apps/prune/options.h"
#include "apps/prune/stage_times.h"
#include "map/point.h"
#include "map/predictor.h"
#include "nn/data/dataset.h"
#include "nn/model.h"
#include "pruning/space.h"

namespace trifold::apps {

/// How a run speaks to its user and hears from him.
struct RunCallbacks {
  std::function<void(const std::string& line)> say;   ///< what happens, a line each
  std::function<void(const std::string& text)> tell;  ///< the result
  /// Called after every training batch; false stops the run after a checkpoint.
  std::function<bool(const std::string& step, const nn::Progress&)> after_batch;
};

/// Thrown when after_batch asked for a stop; the checkpoint is written.
struct Stopped {};

struct PruneRun {
  PruneOptions options;
  std::filesystem::path folder;
  std::string command_line;  ///< for the report
  nn::Model original;
  nn::Dataset train, held_out, test;
  nn::Dataset round_train;  ///< what the data points are fine-tuned on: `train` or a part of it
  kernels::Exec ex;
  Journal journal;
  StageTimes times;
  RunCallbacks callbacks;
};

/// The stages, in order. Each does its steps that the journal does not have yet.
/// plan: the space, and whether the target lies in it and its data points determine the predictor.
/// Errors: TargetError where it doesn't, ConfigError where they don't.
void plan(PruneRun& run);
/// collect: prune and fine-tune along each dimension; every round is a data point.
void collect(PruneRun& run);
/// fit: the accuracy predictor from the data points, with its leave-one-out error.
void fit(PruneRun& run);
/// solve: the continuous KKT point and the best deployable one.
void solve(PruneRun& run);
/// apply: cuts the original to the chosen point; writes pruned.safetensors.
void apply(PruneRun& run);
/// finetune: trains the pruned network; writes model.safetensors.
void finetune(PruneRun& run);
/// summarise: report.html, report.md, report.json, metrics.jsonl and summary.csv.
void summarise(PruneRun& run);

// What several stages share.

/// What the run's options ask of the space of networks.
pruning::SpaceOptions space_options(const PruneRun& run);
/// How important each block of the original is, as `plan` recorded it.
std::vector<double> block_importance(const PruneRun& run);
/// Measures how important each block of a network is, for images of side x side; zeros where the
/// depth has no options.
std::vector<double> measure_blocks(const PruneRun& run, const nn::Network& network,
                                   std::int64_t side);
/// How the run scores channels; it has to outlive the result.
pruning::ScoreUnits unit_scores(const PruneRun& run);
/// The space that the run plans, collects in and searches.
pruning::Space space_of(const PruneRun& run, std::vector<double> importance);

/// Trains `network` on `data` for `epochs` with a checkpoint in the run folder that a resumed run
/// goes on from, and returns {"curve": [{epoch, loss, top1, lr[, held_out]}...]}. Where the run's
/// options ask for an average, that is what `network` holds at the end. Errors Stopped, DivergedError.
nlohmann::json train(PruneRun& run, const std::string& step, nn::Network& network,
                     const nn::Dataset& data, std::int64_t side, std::int64_t epochs, double lr,
                     double bn_l1, bool judge_every_epoch);

/// The data points that are collected so far.
std::vector<map::Sample> samples_of(const PruneRun& run);
/// Throws ConfigError unless data points at these places determine the predictor that `fit` fits.
void check_determined(const PruneOptions& options, const std::vector<map::Point>& points);
/// The predictor as `fit` recorded it.
map::PredictorData predictor_from_json(const nlohmann::json& fitted);

/// Held-out top-1 in percent.
double held_out_top1(const PruneRun& run, const nn::Network& network, std::int64_t side);

/// Re-estimates the batch norms of a cut or resized network.
void reestimate(const PruneRun& run, nn::Network& network, std::int64_t side);

}  // namespace trifold::apps
