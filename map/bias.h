/// How the choice moves when one axis was measured too high or too low.
#pragma once

#include "map/bootstrap.h"

namespace trifold::map {

struct BiasedChoice {
  std::size_t axis = 0;  ///< 0, 1, 2: the samples along d, w, r were shifted
  double bias = 0;       ///< by this
  Optimum optimum;       ///< what is chosen then
  /// By how much `optimum` is worse than the unbiased choice, as the unbiased fit predicts it.
  double loss = 0;
};

/// Shifts the samples that depart along one axis alone from the greatest sampled point by -bias
/// and by +bias, for each axis in turn, and chooses anew: six rows (two for each axis that has such
/// samples). Errors as for bootstrap().
std::vector<BiasedChoice> bias_study(const std::vector<Sample>& samples, const FitFunction& fit,
                                     const SolveFunction& solve, double bias);

}  // namespace trifold::map
