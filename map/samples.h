/// Checks and summaries of samples and stored predictors that every fit shares.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "map/predictor.h"

namespace trifold::map {

/// Throws FitError if there are none, a coordinate lies outside (0, 1], a weight is not positive or
/// a number is not finite.
void check_samples(const std::vector<Sample>& samples);

/// The samples' weights, scaled to the mean 1.
std::vector<double> relative_weights(const std::vector<Sample>& samples);

/// Throws FitError unless rank and degrees lie in 1..64 and 0..15, the range is finite and ordered,
/// and the coefficients are finite.
void check_data(const PredictorData& data);

/// Throws FitError unless there are `expected` coefficients.
void check_count(const PredictorData& data, std::int64_t expected);

/// Degrees min(degree, distinct values - 1) in d, w, r. Throws FitError unless 0 <= degree <= 15.
std::array<std::int64_t, 3> effective_degrees(const std::vector<Sample>& samples,
                                              std::int64_t degree);

/// Coordinate-wise least and greatest sampled point.
Point least(const std::vector<Sample>& samples);
Point greatest(const std::vector<Sample>& samples);

/// True if some base point differs from every sample in at most one coordinate.
bool axis_only(const std::vector<Sample>& samples);

}  // namespace trifold::map
