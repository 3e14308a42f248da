/// The JSON of stage results, as the journal keeps it: each field under its own name.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "apps/prune/results.h"

namespace nlohmann {

/// Nothing is null.
template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& j, const std::optional<T>& value) {
    j = value ? json(*value) : json(nullptr);
  }
  static void from_json(const json& j, std::optional<T>& value) {
    value = j.is_null() ? std::optional<T>() : std::optional<T>(j.get<T>());
  }
};

}  // namespace nlohmann

namespace trifold::map {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Point, d, w, r)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PredictorData, kind, rank, degree, lower, upper, coefficients)

}  // namespace trifold::map

namespace trifold::apps {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(NetworkSize, blocks, side, macs, params, ratio)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PlannedPoints, depth, width, resolution)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LatencyRecord, context, batch, measured, rows, crc32, original_s,
                                   overhead_s, factor, error, networks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Schedule, round_images, round_epochs, finetune_epochs)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PlanResult, smallest, middle, original, block_options,
                                   side_options, points, importance, importance_spread, target,
                                   latency, schedule)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(EpochRecord, epoch, loss, top1, lr, held_out, rollbacks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Judgement, macs, params, activations, held_out, test)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BaseResult, original_held_out, original_test, held_out, curve)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DataPoint, dimension, round, d, w, r, side, macs, params, raw,
                                   reestimated, top1, curve, extrapolated, deviation)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FamilyRecord, name, description, monotone, plausible,
                                   free_parameters, rmse, loo_mae, rank_correlation, problem)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FitResult, family, reason, data, samples, rmse, loo_mae, loo_max,
                                   rank_correlation, noise, table)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Candidate, at, blocks, width, side, cost, predicted, time)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BudgetTable, blocks, sides, width, predicted)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ContinuousResult, at, predicted, cost, multiplier,
                                   accuracy_elasticity, cost_elasticity, kkt_residual, explanation)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(IntervalRecord, low, middle, high)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BiasRecord, dimension, bias, at, loss)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Certainty, d, w, r, accuracy, cloud, biased, determined, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Solution, budget, continuous, candidates, surface, certainty)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ApplyResult, original, raw, reestimated)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainingRecord, curve)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FinetuneResult, healing, curve, finetuned)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ComparisonResult, method, seed, chosen, training, time)

}  // namespace trifold::apps
