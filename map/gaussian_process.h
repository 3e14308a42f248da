/// A Gaussian process over the logarithms of d, w and r.
#pragma once

#include <memory>

#include "map/predictor.h"

namespace trifold::map {

/// F(x) = b_0 + b_d l_d + b_w l_w + b_r l_r + Z(l), l the logarithms of the coordinates, Z a
/// Gaussian process of mean 0 and covariance v exp(-sum_i (l_i - l'_i)^2 / (2 m_i^2)); a sample of
/// weight q adds noise of variance v t / q. The prediction is the mean given the samples, with the
/// b by generalised least squares; axes that the samples don't vary along are left out.
///
/// Source    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, sections 2.2
///           (prediction), 2.7 (explicit basis functions) and 5.1 (one length a dimension).
class GaussianProcess : public Predictor {
 public:
  /// Coefficients: t, m_d, m_w, m_r, then d, w, r, accuracy and weight of each sample; the linear
  /// algebra is done here. Throws FitError where the parts do not belong together (see
  /// make_predictor()) or the covariance matrix is singular.
  explicit GaussianProcess(const PredictorData& data);
  ~GaussianProcess() override;

  double value(const Point& p) const override;
  Point gradient(const Point& p) const override;
  Point lower() const override { return data_.lower; }
  Point upper() const override { return data_.upper; }
  PredictorData data() const override { return data_; }
  /// Variance of the accuracy (not of a new measurement of it) at p, the b's uncertainty included.
  double variance(const Point& p) const;
  /// Log of the restricted marginal likelihood, up to a constant: v and b are integrated out or at
  /// their best. What the fit maximises.
  double log_likelihood() const;

 private:
  struct Posterior;
  PredictorData data_;
  std::shared_ptr<const Posterior> posterior_;
};

struct GaussianProcessFit {
  GaussianProcess model;
  FitReport report;  ///< report.sweeps: evaluations of the likelihood
};

/// Maximises the restricted likelihood over t in [1e-6, 10] and the lengths m_i in [0.25, 16] times
/// the sampled range of l_i: a coarse grid, then steps along one parameter at a time, halved from a
/// factor of 4 down to 1.2. The same input always gives the same fit.
///
/// Errors    FitError for bad samples, or fewer samples than 2 more than there are b.
GaussianProcessFit fit_gaussian_process(const std::vector<Sample>& samples);

}  // namespace trifold::map
