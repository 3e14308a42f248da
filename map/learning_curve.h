/// Where a short training is heading: the error of a longer one, from those of its epochs.
#pragma once

#include <span>

namespace trifold::map {

/// error(t) = floor + drop t^(-rate) after t epochs.
struct LearningCurve {
  double floor = 0;  ///< what no training goes below, >= 0
  double drop = 0;   ///< what is left of the error above the floor after one epoch, >= 0
  double rate = 1;   ///< within [0.1, 3]

  double at(double epochs) const;
};

/// The curve of least squares through errors[i], that of epoch i + 1. For each rate the other two are
/// a linear problem of non-negative unknowns; the rate is searched for.
/// Errors    FitError: fewer than 4 epochs, an error that is negative or not finite.
LearningCurve fit_learning_curve(std::span<const double> errors);

struct Extrapolation {
  double error = 0;      ///< after `epochs`
  double deviation = 0;  ///< its standard deviation
};

/// The error after `epochs` epochs, at least as many as there are. Its deviation is the jackknife's:
/// sqrt((n - 1) / n sum_i (e_i - mean)^2), e_i by the fit without epoch i, from n epochs.
/// Errors    FitError: fewer than 5 epochs, fewer `epochs` than that, or as fit_learning_curve.
/// Source    Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 11.
Extrapolation extrapolate(std::span<const double> errors, double epochs);

}  // namespace trifold::map
