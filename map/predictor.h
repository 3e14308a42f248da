/// The model accuracy predictor F(d, w, r): the interface and its plain stored form.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "map/point.h"

namespace trifold::map {

/// Everything a predictor consists of, in plain numbers. Storing the doubles exactly (for example
/// as shortest round-trip decimals) gives back a predictor with bit-equal values.
struct PredictorData {
  std::string kind;       ///< "low_rank", "full_tensor", "log_quadratic", "power_law", ...
  std::int64_t rank = 1;  ///< R of a low-rank predictor; 1 for others
  std::array<std::int64_t, 3> degree{};  ///< effective degree in d, w, r; 0 where there is none
  Point lower;                           ///< least sampled coordinates
  Point upper;                           ///< greatest sampled coordinates
  /// Low rank: for each q the coefficients of S_q, U_q, V_q. Full tensor: lambda_ijk, k fastest.
  /// Others: as the constructor of the kind's class says.
  std::vector<double> coefficients;

  bool operator==(const PredictorData&) const = default;
};

/// A fitted F. Inside [lower(), upper()] it interpolates samples; outside it extrapolates, without
/// any promise: callers should keep their search inside.
class Predictor {
 public:
  virtual ~Predictor() = default;

  /// Predicted accuracy, in the unit of the samples.
  virtual double value(const Point& p) const = 0;
  /// (dF/dd, dF/dw, dF/dr).
  virtual Point gradient(const Point& p) const = 0;
  /// Least sampled value of each coordinate.
  virtual Point lower() const = 0;
  /// Greatest sampled value of each coordinate.
  virtual Point upper() const = 0;
  /// The plain form that make_predictor() reads.
  virtual PredictorData data() const = 0;
};

/// Rebuilds a predictor. Throws FitError when kind, degrees, range and number of coefficients do
/// not belong together or a number is not finite.
std::unique_ptr<Predictor> make_predictor(const PredictorData& data);

/// What a fit did.
struct FitReport {
  /// Degree used in d, w, r: lowered to (distinct values - 1) where samples are too few.
  std::array<std::int64_t, 3> degree{};
  double rmse = 0;          ///< root mean squared residual on the samples
  std::int64_t sweeps = 0;  ///< alternating sweeps of the chosen start; 0 for a direct solve
  bool converged = true;    ///< false if the sweeps ran out before the fit settled
  /// R of a low-rank fit; numerical rank of a full-tensor solve; else the number of parameters.
  std::int64_t rank = 1;
};

}  // namespace trifold::map
