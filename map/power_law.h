/// The error as a power law of depth, width and resolution.
#pragma once

#include "map/predictor.h"

namespace trifold::map {

/// error = e0 + c (d^a w^b r^g)^-k with exponents of at least 0, or, with the accuracy of the whole
/// net taken out and u the points that a point loses to first order in the logarithms,
///
///   F = top - (exp(h u) - 1) / h,   u = -(s_d log d + s_w log w + s_r log r),   s, h >= 0.
///
/// The two are the same function: c = 1/h, the exponents k a, k b, k g are h s_d, h s_w, h s_r (a
/// common factor of a, b, g goes into k, so 3 of the 4 are free), and e0 = ceiling - top - 1/h with
/// the ceiling 1 or 100, which F doesn't need. This form stays well conditioned as h falls to 0,
/// where F = top - u. F never falls as d, w or r grows.
///
/// Under a power-law cost F has no optimum with two dimensions between their bounds: F falls with u
/// alone, and both u and log C are linear in the logarithms, so that the best point is a corner of
/// the budget surface: first the dimension with the least exponent per exponent of the cost is
/// pruned, to its bound, then the next. Where losses in different dimensions merely add up, that is
/// the worst advice; see bench/results/pruning/regret.md.
///
/// Source    Errors that follow power laws of the scale down to an offset: Hestness et al., Deep
///           learning scaling is predictable, empirically (arXiv 1712.00409); depth, width and
///           density of pruned nets as one product of powers: Rosenfeld et al., On the
///           predictability of pruning across scales, ICML 2021 (arXiv 2006.10621).
class PowerLaw : public Predictor {
 public:
  /// Coefficients: top, s_d, s_w, s_r, h. Throws FitError where the parts do not belong together
  /// (see make_predictor()) or s or h is negative.
  explicit PowerLaw(const PredictorData& data);

  double value(const Point& p) const override;
  Point gradient(const Point& p) const override;
  Point lower() const override { return data_.lower; }
  Point upper() const override { return data_.upper; }
  PredictorData data() const override { return data_; }

 private:
  PredictorData data_;
};

struct PowerLawFit {
  PowerLaw model;
  FitReport report;  ///< report.sweeps: Levenberg-Marquardt steps of the chosen start
};

/// Minimises mean((y - F)^2) / s^2 + ridge * (squared parameters but top), accuracies and
/// parameters in units of the accuracies' spread s, by Levenberg-Marquardt from fixed starts in h.
/// Each step is a non-negative least-squares problem, so that the bounds hold exactly; top is
/// linear and eliminated. The same input always gives the same fit.
///
/// Errors    FitError for bad samples, a negative ridge, or fewer than 5 samples.
PowerLawFit fit_power_law(const std::vector<Sample>& samples, double ridge = 1e-6);

}  // namespace trifold::map
