/// The logarithm of the accuracy as a quadratic in the logarithms of d, w and r.
#pragma once

#include <vector>

#include "map/predictor.h"

namespace trifold::map {

/// log F = c + sum_i a_i l_i + sum_i b_i l_i^2 + sum_{i<j} g_ij l_i l_j, l = (log d, log w, log r).
///
/// The accuracy, not the error, for three reasons: it needs no knowledge of the unit (the error is
/// 1 - F or 100 - F), it doesn't approach 0, where noise would blow up a logarithm, and every
/// elasticity x F_x / F becomes linear in l, so that the KKT conditions are linear equations. With
/// b = g = 0 it is the Cobb-Douglas function, with both the translog function.
///
/// Source    Christensen, Jorgenson and Lau, Transcendental logarithmic production frontiers,
///           Review of Economics and Statistics 55 (1973).
class LogQuadratic : public Predictor {
 public:
  /// Coefficients: c, a_d, a_w, a_r, b_d, b_w, b_r, g_dw, g_dr, g_wr. Throws FitError where the
  /// parts do not belong together (see make_predictor()).
  explicit LogQuadratic(const PredictorData& data);

  double value(const Point& p) const override;
  Point gradient(const Point& p) const override;
  Point lower() const override { return data_.lower; }
  Point upper() const override { return data_.upper; }
  PredictorData data() const override { return data_; }

 private:
  PredictorData data_;
};

/// The terms that samples can determine, of the ten: l_i needs two values of coordinate i, l_i^2
/// three, l_i l_j a sample that departs from the greatest sampled i and j at once.
std::vector<bool> log_quadratic_terms(const std::vector<Sample>& samples);

struct LogQuadraticOptions {
  /// Demands a >= 0, b <= 0 and g <= 0. Then no elasticity, a_i + 2 b_i l_i + sum_j g_ij l_j, is
  /// negative at d, w, r <= 1 and each grows as any dimension shrinks: accuracy doesn't rise where
  /// capacity falls, every step down costs at least the share of the one before, and what is lost in
  /// one dimension makes the next loss no smaller. log F is then concave in l along each axis.
  bool monotone = false;
  double ridge = 1e-6;  ///< weight of the squared coefficients but c
};

struct LogQuadraticFit {
  LogQuadratic model;
  FitReport report;
};

/// Minimises mean((y/s)^2 (log y - log F)^2) + ridge * sum of squared coefficients but c, with the
/// logarithms scaled to their sampled range and s the RMS accuracy; the factor y^2 makes residuals
/// of log y count as residuals of y. Terms that the samples can't determine stay 0. Solved by QR,
/// the monotone form by non-negative least squares; the same input always gives the same fit.
///
/// Errors    FitError for bad samples, an accuracy of 0 or less, a negative ridge, or fewer samples
///           than terms.
LogQuadraticFit fit_log_quadratic(const std::vector<Sample>& samples,
                                  const LogQuadraticOptions& options = {});

}  // namespace trifold::map
