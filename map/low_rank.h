/// The low-rank accuracy predictor (Wang et al., ICML 2021, arXiv 2010.04879).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "map/predictor.h"
#include "map/univariate.h"

namespace trifold::map {

/// F(d, w, r) = sum_{q < R} S_q(d) U_q(w) V_q(r), each factor a polynomial of degree K.
///
/// The paper's: this form, R = 1 and K = 3, and samples on the three axes. Ours, where the paper is
/// silent: how it is fitted (alternating least squares), the coordinates scaled to [-1, 1], the
/// ridge, and the lower degree where samples are few.
class LowRank : public Predictor {
 public:
  using Term = std::array<Univariate, 3>;  ///< S_q, U_q, V_q

  /// Throws FitError where the parts do not belong together (see make_predictor()).
  explicit LowRank(const PredictorData& data);

  double value(const Point& p) const override;
  Point gradient(const Point& p) const override;
  Point lower() const override { return data_.lower; }
  Point upper() const override { return data_.upper; }
  PredictorData data() const override { return data_; }
  const std::vector<Term>& terms() const { return terms_; }

 private:
  PredictorData data_;
  std::vector<Term> terms_;
};

struct LowRankOptions {
  std::int64_t degree = 3;  ///< K
  std::int64_t rank = 1;    ///< R
  /// Weight of the squared coefficients, relative to the mean squared accuracy (see fit_low_rank).
  double ridge = 1e-6;
  /// A fit has settled when a sweep moves the predictions by less than this, relative to the RMS
  /// accuracy.
  double tolerance = 1e-10;
  std::int64_t max_sweeps = 2000;
  std::int64_t starts = 6;  ///< deterministic starts for R > 1; R = 1 needs one
};

/// Whether the places of the samples, whatever their accuracies, determine a fit: throws the
/// FitError that fit_low_rank() would throw where they don't.
void check_determined(const std::vector<Sample>& samples, const LowRankOptions& options);

struct LowRankFit {
  LowRank model;
  FitReport report;
};

/// Free parameters of a rank-R fit: R (K_d + K_w + K_r + 3) coefficients, less 2R: in each term two
/// factors can be scaled at will, as S U V = (a S) (b U) (V / (a b)), so that two numbers of each
/// term change nothing. With K = 3 that is 10 for R = 1, where the full tensor has 64.
std::int64_t low_rank_parameters(const std::array<std::int64_t, 3>& degree, std::int64_t rank);

/// Minimises mean((y/s - F/s)^2) + ridge * sum(coefficients^2), s = RMS of the accuracies y and the
/// coefficients those of F/s, by alternating least squares: with two of S, U, V fixed the third is
/// a linear problem, solved by column-pivoted QR. Norms are balanced after every sweep. The same
/// input always gives the same fit. Throws FitError for bad samples or options, for fewer samples
/// than low_rank_parameters(), and for R >= 2 on samples that all lie on
/// axes through one point, because those determine only a product of three univariate functions.
LowRankFit fit_low_rank(const std::vector<Sample>& samples, const LowRankOptions& options = {});

}  // namespace trifold::map
