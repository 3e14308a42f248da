/// The families of predictors that a fit can choose from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "map/predictor.h"

namespace trifold::map {

/// Fits a predictor; throws FitError where the samples don't allow it.
using FitFunction = std::function<std::unique_ptr<Predictor>(const std::vector<Sample>&)>;

struct PredictorFamily {
  std::string name;
  std::string description;  ///< one line for people
  bool monotone = false;    ///< F never falls inside the sampled range as d, w or r grows
  FitFunction fit;
  /// Free parameters of the fit to these samples.
  std::function<std::int64_t(const std::vector<Sample>&)> free_parameters;
};

/// The name of the paper's predictor, R = 1 and K = 3 (Wang et al., ICML 2021, arXiv 2010.04879).
inline constexpr std::string_view kPaperFamily = "rank1-degree3";

/// All families, in order of preference: where samples can't tell two apart, the earlier is meant.
/// First those that can't rise where capacity falls. The power law, which can't either, comes late:
/// its optimum always prunes a single dimension (see power_law.h), which wants evidence.
///
/// | name                   | F                                                | header             |
/// |------------------------|--------------------------------------------------|--------------------|
/// | monotone-log-quadratic | log F quadratic, losses that only grow           | log_quadratic.h    |
/// | monotone-rank1         | product of three cubics that don't fall          | monotone.h         |
/// | log-quadratic          | log F quadratic in log d, log w, log r           | log_quadratic.h    |
/// | gaussian-process       | linear trend and Gaussian process over the logs  | gaussian_process.h |
/// | power-law              | top - c (d^a w^b r^g)^-k, the error a power law  | power_law.h        |
/// | rank<R>-degree<K>      | sum of R products of polynomials, R and K 1 to 3 | low_rank.h         |
/// | full-tensor            | tensor-product polynomial of degree 3            | full_tensor.h      |
const std::vector<PredictorFamily>& predictor_families();

/// The family of that name. Throws std::invalid_argument, naming all, where there is none.
const PredictorFamily& predictor_family(std::string_view name);

}  // namespace trifold::map
