/// Where further points off the axes would tell most about the optimum.
#pragma once

#include <memory>
#include <vector>

#include "map/predictor.h"

namespace trifold::map {

struct Proposal {
  Point at;
  double spread = 0;  ///< standard deviation of the predictions there before it is measured
};

/// Picks up to `count` of `places` (the budget surface, or the deployable points near it), one
/// after the other. The ensemble (predictors fitted to the same samples: draws of a bootstrap,
/// best of several families, since the draws of one share its assumptions) gives each place a
/// mean and a covariance. Among the places that may be the best, those whose mean plus two standard
/// deviations reaches the highest mean, the one of the greatest spread is picked; then the ensemble
/// is conditioned on a measurement of it (variance noise^2) before the next. Places on an axis
/// (fewer than two coordinates below 1) are left out: the axes are sampled by themselves. A pick
/// whose spread is within rounding ends the list.
///
/// Errors    std::invalid_argument for an ensemble of fewer than 2, count < 1 or noise < 0.
/// Source    Ours, of two known parts: upper confidence bounds as a filter (Srinivas et al.,
///           Gaussian process optimization in the bandit setting, ICML 2010) and the square-root
///           update of an ensemble (Whitaker and Hamill, Monthly Weather Review 130 (2002)).
std::vector<Proposal> propose_points(const std::vector<std::shared_ptr<const Predictor>>& ensemble,
                                     const std::vector<Point>& places, std::int64_t count,
                                     double noise);

}  // namespace trifold::map
