/// One pruning run: its inputs, its folder, and the stages that work on them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/lease.h"
#include "apps/cli/rollback.h"
#include "apps/prune/journal.h"
#include "apps/prune/options.h"
#include "apps/prune/results.h"
#include "apps/prune/stage_times.h"
#include "map/point.h"
#include "map/predictor.h"
#include "nn/data/dataset.h"
#include "nn/model.h"
#include "pruning/criterion.h"
#include "pruning/latency/times.h"
#include "pruning/space.h"
#include "pruning/surgery.h"

namespace trifold::apps {

/// How a run speaks to its user and hears from him.
struct RunCallbacks {
  std::function<void(const std::string& line)> say;   ///< what happens, a line each
  std::function<void(const std::string& text)> tell;  ///< the result
  /// Called after every training batch; false stops the run after a checkpoint.
  std::function<bool(const std::string& step, std::int64_t epochs, const nn::Progress&)>
      after_batch;
  std::function<bool()> stop_requested;
};

/// Thrown when a stop was asked for; the checkpoint of what was in work is written.
struct Stopped {};

/// What `compare` is asked for. It decides nothing else, so that a run may be compared again.
struct ComparisonOptions {
  std::vector<std::string> methods;  ///< of baselines()
  std::int64_t seeds = 1;
};

struct PruneRun {
  PruneOptions options;
  ComparisonOptions comparison;
  DivergenceOptions divergence;
  std::filesystem::path folder;
  std::string command_line;  ///< for the report
  nn::Model original;
  nn::Network base;  ///< what is cut: the original, after `sparsify` where that was asked for
  nn::Dataset train, held_out, test;
  nn::Dataset round_train;  ///< what the data points are fine-tuned on: `train` or a part of it
  kernels::Exec ex;
  std::filesystem::path latency_table;      ///< shared with other runs; empty: none
  std::unique_ptr<pruning::Times> latency;  ///< where that is the cost, and as soon as it is needed
  bool writes_onnx = false;                 ///< beside the result
  std::optional<Schedule> schedule;         ///< where --budget decides it
  Journal journal;
  Leases leases;
  std::int64_t workers = 1;  ///< processes that are to share what can be shared
  bool is_worker = false;    ///< one of them: it does shared steps, and writes nothing else
  StageTimes times;
  RunCallbacks callbacks;
};

/// The stages, in order. Each does its steps that the journal does not have yet.
/// plan: the space, and whether the target lies in it and its data points determine the predictor.
/// Errors: TargetError where it doesn't, ConfigError where they don't.
void plan(PruneRun& run);
/// sparsify: trains the original with a penalty on the scales of its batch norms, once, so that they
/// tell which channels matter; writes base.safetensors.
void sparsify(PruneRun& run);
/// collect: prune and fine-tune along each dimension; every round is a data point.
void collect(PruneRun& run);
/// fit: the accuracy predictor from the data points, with its leave-one-out error.
void fit(PruneRun& run);
/// solve: the continuous KKT point, the best deployable ones, and how sure they are.
void solve(PruneRun& run);
/// apply: cuts the base to the chosen point; writes pruned.safetensors.
void apply(PruneRun& run);
/// finetune: trains the pruned network; writes model.safetensors, and model.onnx where asked to.
void finetune(PruneRun& run);
/// compare: trains what other ways to spend the budget choose; writes compare.csv and the networks.
void compare(PruneRun& run);
/// ablate: what other predictors, fewer points and fewer dimensions would choose; writes
/// ablation.csv.
void ablate(PruneRun& run);
/// rank: trains the structures of all data points by the recipe of the result, to see how well the
/// points order them; writes rank.csv.
void rank(PruneRun& run);
/// summarise: report.html, report.md, report.json, metrics.jsonl, summary.csv, and for TensorBoard
/// tensorboard/STEP/metrics.tfevents of every training.
void summarise(PruneRun& run);

// What several stages share.

/// What the run's options ask of the space of networks.
pruning::SpaceOptions space_options(const PruneRun& run);
/// How important each block of the original is, as `plan` recorded it.
std::vector<double> block_importance(const PruneRun& run);
/// Images of side x side, brought to it as the original's are.
nn::InputSize input_size(const PruneRun& run, std::int64_t side);
/// What the criteria look at, for images of side x side.
pruning::Evidence evidence(const PruneRun& run, std::int64_t side);

struct BlockImportance {
  std::vector<double> mean;    ///< over the seeds
  std::vector<double> spread;  ///< their standard deviation; empty for one seed
};
/// Measures how important each block of a network is, for images of side x side; zeros where the
/// depth has no options.
BlockImportance measure_blocks(const PruneRun& run, const nn::Network& network, std::int64_t side);
/// How the run scores channels; it has to outlive the result.
pruning::ScoreUnits unit_scores(const PruneRun& run);
/// The space that the run plans (of the original), collects in and searches (of the base). `network`
/// has to outlive it, and so has `run`, whose times a cost of latency reads.
pruning::Space space_of(PruneRun& run, const nn::Network& network, std::vector<double> importance);

/// A candidate of the space with what it costs, and the accuracy that is predicted for it.
Candidate candidate_at(pruning::Space& space, const pruning::GridIndex& at, double predicted);

/// One training of a run.
struct Training {
  std::string step;  ///< whose checkpoint it is
  const nn::Dataset& data;
  std::int64_t side = 0, epochs = 1;
  double lr = 0;
  double bn_l1 = 0;
  bool taught = false;             ///< by the original, as the options say
  bool warms_up = true;            ///< as the options say; low rates don't need it
  bool constant_rate = false;      ///< instead of the options' schedule
  bool judge_every_epoch = false;  ///< on the held-out images
  std::uint64_t seed_offset = 0;   ///< added to the run's seed
};
/// What the run's options and the training say to the trainer.
nn::TrainOptions training_options(const PruneRun& run, const Training& training);
/// Trains `network` with a checkpoint in the run folder that a resumed run goes on from. Where the
/// run's options ask for an average, that is what `network` holds at the end.
/// Errors    Stopped, DivergedError.
std::vector<EpochRecord> train(PruneRun& run, nn::Network& network, const Training& training);

/// The step's result as of Journal::run(). Once it is recorded, the checkpoint of its training goes.
template <class Result>
Result do_step(PruneRun& run, const std::string& step, const std::function<Result()>& work) {
  Result result = run.journal.run<Result>(step, work);
  remove_checkpoint(run.folder, step);
  return result;
}

/// Keeps the network that a step made, in the folder `points`, so that later ones start from the same
/// bits whether it was made now or in a process before this one.
void store_network(const PruneRun& run, const std::string& step, const nn::Network& network,
                   std::int64_t side);
nn::Network stored_network(const PruneRun& run, const std::string& step);

/// The base as `sparsify` left it in the folder; the original where there was no such training.
nn::Network load_base(const PruneRun& run);

/// Cuts the base to a candidate's depth and width.
pruning::Cut cut_base(const PruneRun& run, const Candidate& candidate);

/// Cuts the base to a candidate, measures it on its way, trains it by the schedule of all data points
/// and records it under `step`; the network is kept in the folder `points`.
DataPoint measure_candidate(PruneRun& run, const std::string& step, const std::string& dimension,
                            std::int64_t round, const Candidate& candidate,
                            std::uint64_t seed_offset = 0);

/// The recipe of every final network: heals at a low rate, then fine-tunes, and judges it.
FinetuneResult train_result(PruneRun& run, const std::string& step, nn::Network& network,
                            std::int64_t side, std::uint64_t seed_offset = 0);

/// Where the trained result lost more than --max-drop allows: a sentence that says so; else nothing.
std::string broken_promise(const PruneRun& run, const FinetuneResult& trained);

/// What `compare` has done so far.
std::vector<ComparisonResult> comparison(const PruneRun& run);

/// A method's trainings in one: means, and the standard deviation of the test accuracy.
struct MethodSummary {
  std::string method;
  Candidate chosen = {};  ///< of the first seed
  std::int64_t macs = 0, trainings = 0;
  double time = 0, held_out = 0, test = 0;
  std::optional<double> spread = {};
};
/// In the order of baselines(); those without a training are left out.
std::vector<MethodSummary> by_method(const std::vector<ComparisonResult>& results);

/// The candidate that is applied: the best, or the best of the finalists, which are trained shortly
/// unless the journal has them.
Candidate chosen_candidate(PruneRun& run);

/// The data points that are collected so far.
std::vector<DataPoint> data_points(const PruneRun& run);
std::vector<map::Sample> samples_of(const PruneRun& run);
/// Fits what the options ask for to them.
/// Errors    ConfigError: they don't determine it.
FitResult fit_predictor(const PruneRun& run);
/// Throws ConfigError unless data points at these places determine the predictor that is asked for.
void check_determined(const PruneOptions& options, const std::vector<map::Point>& points);

/// Held-out top-1 in percent.
double held_out_top1(const PruneRun& run, const nn::Network& network, std::int64_t side);

/// Re-estimates the batch norms of a cut or resized network.
void reestimate(const PruneRun& run, nn::Network& network, std::int64_t side);

}  // namespace trifold::apps
