/// The full tensor-product polynomial: the predictor without the low-rank assumption.
#pragma once

#include <cstdint>
#include <vector>

#include "map/predictor.h"

namespace trifold::map {

/// F(d, w, r) = sum_ijk lambda_ijk t_d^i t_w^j t_r^k, each t the coordinate scaled to [-1, 1] over
/// the sampled range as in Univariate.
class FullTensor : public Predictor {
 public:
  /// Throws FitError where the parts do not belong together (see make_predictor()).
  explicit FullTensor(const PredictorData& data);

  double value(const Point& p) const override;
  Point gradient(const Point& p) const override;
  Point lower() const override { return data_.lower; }
  Point upper() const override { return data_.upper; }
  PredictorData data() const override { return data_; }

 private:
  PredictorData data_;
};

struct FullTensorOptions {
  std::int64_t degree = 3;  ///< K
  double ridge = 1e-6;      ///< relative, as in LowRankOptions
};

struct FullTensorFit {
  FullTensor model;
  FitReport report;  ///< report.rank: numerical rank of the samples' design matrix
};

/// Minimises mean((y/s - F/s)^2) + ridge * sum((lambda/s)^2), s = RMS accuracy, by complete
/// orthogonal decomposition. With ridge 0 and too few samples this is the solution of least norm.
/// Throws FitError for bad samples or options.
FullTensorFit fit_full_tensor(const std::vector<Sample>& samples,
                              const FullTensorOptions& options = {});

}  // namespace trifold::map
