/// What each stage of a pruning run leaves for the next ones. In memory these are plain types; their
/// JSON exists in the journal alone. Accuracies are in percent, their differences in points.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "map/point.h"
#include "map/predictor.h"
#include "map/solve_continuous.h"

namespace trifold::apps {

/// A network of the space, told before any training.
struct NetworkSize {
  std::int64_t blocks = 0, side = 0, macs = 0, params = 0;
  double ratio = 0;  ///< of the original's cost, by the run's cost model
};

/// Where the data points along each dimension are to lie, as pruning::Space says.
struct PlannedPoints {
  std::vector<std::int64_t> depth;
  std::vector<double> width;
  std::vector<std::int64_t> resolution;
};

/// The times that a run's cost of latency is made of, and how they make up a network's.
struct LatencyRecord {
  std::string context;                                ///< the machine that they were taken on
  std::int64_t batch = 1, measured = 0;               ///< images at once; times that no table had
  std::uint64_t rows = 0;                             ///< of latency.sqlite, which these are
  std::string crc32;                                  ///< of those rows
  double original_s = 0, overhead_s = 0, factor = 0;  ///< as pruning::LatencyCalibration
  double error = 0;
  std::int64_t networks = 0;
};

/// What the hours of --budget come to.
struct Schedule {
  std::int64_t round_images = 0, round_epochs = 1, finetune_epochs = 1;  ///< as the options
};

struct PlanResult {
  NetworkSize smallest, middle, original;
  std::vector<std::int64_t> block_options, side_options;
  PlannedPoints points;
  std::vector<double> importance;         ///< of the original's blocks
  std::vector<double> importance_spread;  ///< standard deviation over the seeds; empty for one
  double target = 0;                      ///< the share of the original's cost that may remain
  std::optional<LatencyRecord> latency;
  std::optional<Schedule> schedule;
};

/// One epoch of a training.
struct EpochRecord {
  std::int64_t epoch = 0;
  double loss = 0, top1 = 0, lr = 0;
  std::optional<double> held_out;  ///< top-1 after it, where it was asked for
  std::int64_t rollbacks = 0;      ///< of the training up to here, each to half the rate
};

/// A network judged on images that decided nothing (test) and on those that decided (held_out).
struct Judgement {
  std::int64_t macs = 0, params = 0, activations = 0;
  double held_out = 0, test = 0;
};

/// The network that the run prunes: the original, or what sparsity training made of it.
struct BaseResult {
  double original_held_out = 0, original_test = 0;
  double held_out = 0;  ///< of the base
  std::vector<EpochRecord> curve;
};

/// A measured network. Its accuracies are held-out ones.
struct DataPoint {
  std::string dimension;  ///< in which it was pruned: "depth", "width", "resolution", "original" or
                          ///< "joint", in several
  std::int64_t round = 0;
  double d = 1, w = 1, r = 1;
  std::int64_t side = 0, macs = 0, params = 0;
  double raw = 0, reestimated = 0;  ///< before any training
  double top1 = 0;                  ///< after it
  std::vector<EpochRecord> curve;
  /// Where its learning curve leads to, with the standard deviation; where that was asked for.
  std::optional<double> extrapolated = {}, deviation = {};

  map::Point at() const { return {d, w, r}; }
  /// What the predictor is fitted to.
  double accuracy() const { return extrapolated.value_or(top1); }
};

/// One family of predictors, judged.
struct FamilyRecord {
  std::string name, description;
  bool monotone = false, plausible = false;
  std::int64_t free_parameters = 0;
  double rmse = 0;
  std::optional<double> loo_mae, rank_correlation;
  std::string problem;
};

struct FitResult {
  std::string family;  ///< one of map::predictor_families()
  std::string reason;  ///< why this one
  map::PredictorData data;
  std::int64_t samples = 0;
  double rmse = 0;
  std::optional<double> loo_mae, loo_max, rank_correlation;  ///< where leaving a point out works
  double noise = 0;  ///< standard deviation of one measurement, as assumed
  std::vector<FamilyRecord> table;
};

/// A network that can be deployed.
struct Candidate {
  map::Point at;
  std::int64_t blocks = 0;
  double width = 1;  ///< as pruning::select_units() takes it
  std::int64_t side = 0;
  double cost = 0, predicted = 0;
  std::optional<double>
      time;  ///< measured here, as a share of the original's; where it was asked for
};

/// For every (blocks, side), the widest candidate within the target and its prediction, by rows of
/// blocks; nothing where none fits.
struct BudgetTable {
  std::vector<std::int64_t> blocks, sides;
  std::vector<std::vector<std::optional<double>>> width, predicted;
};

/// Optimum of the smooth problem.
struct ContinuousResult {
  map::Point at;
  double predicted = 0, cost = 0, multiplier = 0;
  map::Point accuracy_elasticity, cost_elasticity;
  double kkt_residual = 0;
  std::string explanation;
};

/// An interval of the bootstrap's draws.
struct IntervalRecord {
  double low = 0, middle = 0, high = 0;
};

/// How the choice moves if one axis was measured `bias` points too high.
struct BiasRecord {
  std::string dimension;
  double bias = 0;
  map::Point at;
  double loss = 0;
};

/// How sure the choice is.
struct Certainty {
  IntervalRecord d, w, r, accuracy;
  std::vector<map::Point> cloud;  ///< the draws' optima
  std::vector<BiasRecord> biased;
  bool determined = true;
  std::string reason;  ///< where it isn't
};

struct Solution {
  double budget = 0;  ///< share of the cost that was solved for, as predicted; else than the target
                      ///< where a latency was measured to be another, or by --max-drop
  ContinuousResult continuous;
  std::vector<Candidate> candidates;  ///< the best first
  BudgetTable surface;
  Certainty certainty;
};

struct ApplyResult {
  Judgement original, raw, reestimated;
};

struct TrainingRecord {
  std::vector<EpochRecord> curve;
};

struct FinetuneResult {
  std::vector<EpochRecord> healing;  ///< at a low rate, before
  std::vector<EpochRecord> curve;
  Judgement finetuned;
};

/// What another way to spend the budget came to, by the recipe of the result.
struct ComparisonResult {
  std::string method;     ///< one of baselines()
  std::int64_t seed = 0;  ///< added to the run's
  Candidate chosen;
  FinetuneResult training;
  double time = 0;  ///< measured, as a share of the original's
};

}  // namespace trifold::apps
