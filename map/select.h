/// The choice among families of predictors by leave-one-out error.
#pragma once

#include <optional>

#include "map/families.h"
#include "map/validate.h"

namespace trifold::map {

/// One row of the table of candidates.
struct FamilyScore {
  std::string family;
  std::string description;
  bool monotone = false;
  std::int64_t free_parameters = 0;
  std::shared_ptr<const Predictor> model;  ///< fitted to all samples; null where that failed
  double rmse = 0;                         ///< of `model` on the samples
  std::optional<Validation> left_out;      ///< none where some fit to the others failed
  /// Mean over the samples of |error| - |error of the best family|, leaving one out, and its
  /// standard error.
  double excess = 0;
  double excess_error = 0;
  bool plausible = false;  ///< can't be told from the best: excess <= 2.5 excess_error
  std::string problem;     ///< why there is no model or no leave-one-out error; else empty
};

struct Selection {
  std::vector<FamilyScore> table;  ///< in the order of the families
  std::size_t chosen = 0;          ///< index of the table
  std::string reason;              ///< one sentence for people
};

/// Fits and validates every family. Of those whose mean absolute leave-one-out error exceeds the
/// least by no more than 2.5 standard errors of the difference (paired over the samples), the first
/// in order of preference is chosen: a family later in the list has to earn its place by more than
/// noise. With a dozen points the least error itself is mostly noise: on synthetic surfaces, points
/// on the axes alone, choosing by it loses half as much again or more.
///
/// Where points are too few to leave one out, the first family that can be fitted is chosen.
///
/// Errors    FitError for bad samples or where no family can be fitted.
/// Source    The one-standard-error rule of Hastie, Tibshirani and Friedman, The Elements of
///           Statistical Learning, 2nd edition, section 7.10, here with paired errors; 2.5 instead
///           of 1 is ours, from the surfaces of bench/map_regret.cpp.
Selection select_family(const std::vector<Sample>& samples,
                        const std::vector<PredictorFamily>& families = predictor_families());

}  // namespace trifold::map
