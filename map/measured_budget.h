/// A budget that is kept as measured, where the solver only knows a prediction of the cost.
#pragma once

#include <cstdint>
#include <functional>

namespace trifold::map {

struct MeasuredBudget {
  double budget = 0;    ///< to solve with
  double measured = 0;  ///< cost of the answer then
  bool met = false;     ///< whether that is within the target
  std::int64_t tries = 0;
};

/// A predicted cost is off in another way at every network. So the answer is measured, and what it
/// costs more or less than was asked for goes to the budget, until an answer costs from 97 to 102 %
/// of the target, or no budget is left between one that cost too much and one that didn't, or after
/// eight tries. The result is the try that cost most within the target (and its 2 %), or, where none
/// did, the one that cost least.
///
/// `measure`  solves with a budget and measures the answer; both costs are shares of the original's.
/// `least`    cost of the cheapest answer as predicted; no budget is below it.
/// Errors     std::invalid_argument unless 0 < least <= target; what `measure` throws.
MeasuredBudget meet_measured(double target, double least,
                             const std::function<double(double budget)>& measure);

}  // namespace trifold::map
