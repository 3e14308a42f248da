/// How far the chosen point and its accuracy depend on which points were measured, and on noise.
#pragma once

#include "map/families.h"

namespace trifold::map {

/// The best point under a budget, and its predicted accuracy.
struct Optimum {
  Point at;
  double accuracy = 0;
};

/// Solves for the optimum of a predictor: continuous or discrete, as the caller chooses.
using SolveFunction = std::function<Optimum(const Predictor&)>;

struct BootstrapOptions {
  std::int64_t draws = 200;
  /// Standard deviation of the noise of a measurement of weight 1 (see noise_of_repeats()).
  double noise = 0;
  bool reweight = true;     ///< draw the points' weights too
  double confidence = 0.9;  ///< share of the draws inside an interval
  std::uint64_t seed = 0;
};

struct Interval {
  double low = 0;
  double middle = 0;  ///< the median
  double high = 0;
};

struct Bootstrap {
  Optimum optimum;                                       ///< of the fit to the samples themselves
  std::vector<std::shared_ptr<const Predictor>> models;  ///< of the draws
  std::vector<Optimum> optima;                           ///< of the draws, in the same order
  Interval d, w, r;                                      ///< of the draws' optima
  Interval accuracy;                                     ///< what the draws predict at `optimum`
  std::int64_t failed = 0;                               ///< draws left out, since their fit failed
};

/// Refits and solves for perturbed copies of the samples: accuracies plus normal noise (variance
/// noise^2 / weight; none falls below 0 by it), weights times exponential random numbers of mean 1
/// (the Bayesian bootstrap, which unlike drawing points with replacement never loses the end of an
/// axis). Since the samples' own noise is in both, intervals come out rather too wide than too narrow.
///
/// Errors    FitError for bad samples, if the samples themselves can't be fitted, or if more than
///           half of the draws fail; std::invalid_argument for bad options; whatever `solve`
///           throws.
/// Numerics  Draw i is a function of the samples, the options and i alone.
/// Source    Rubin, The Bayesian bootstrap, Annals of Statistics 9 (1981); Efron and Tibshirani, An
///           Introduction to the Bootstrap, 1993, chapters 6 and 13 (parametric draws, percentiles).
Bootstrap bootstrap(const std::vector<Sample>& samples, const FitFunction& fit,
                    const SolveFunction& solve, const BootstrapOptions& options = {});

/// The interval that holds the middle `confidence` of the values, by linear interpolation of their
/// order statistics. Throws std::invalid_argument for no values or a confidence outside (0, 1).
Interval percentile_interval(std::vector<double> values, double confidence);

}  // namespace trifold::map
