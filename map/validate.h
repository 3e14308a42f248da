/// How far a predictor can be trusted: leave-one-out error and rank correlation.
#pragma once

#include <vector>

#include "map/families.h"

namespace trifold::map {

struct Validation {
  std::vector<double> predictions;  ///< of sample i by the fit to all others
  double mae = 0;                   ///< mean absolute error
  double rmse = 0;
  double max_error = 0;
  double spearman = 0;  ///< of predictions and accuracies
};

/// Refits once without each sample and without those that repeat its point, which would tell the fit
/// what it is asked. An end sample of an axis is predicted by extrapolation, which
/// makes the error an upper estimate there. Throws FitError for fewer than 2 points, and whatever
/// `fit` throws.
Validation leave_one_out(const std::vector<Sample>& samples, const FitFunction& fit);

/// Pearson correlation of the ranks, tied values sharing their mean rank; 0 if one side is
/// constant. Throws std::invalid_argument if sizes differ or are below 2.
double spearman(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace trifold::map
