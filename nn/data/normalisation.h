/// The mean and spread that inputs are normalised by.
#pragma once

#include <vector>

#include "nn/data/dataset.h"

namespace trifold::nn {

/// x = (pixel / 255 - mean[c]) / std[c], one entry a channel.
struct Normalisation {
  std::vector<float> mean;
  std::vector<float> std;
  bool operator==(const Normalisation&) const = default;
};

/// Leaves pixel / 255 as it is: means of 0, deviations of 1.
Normalisation no_normalisation(std::int64_t channels);

/// Mean and population standard deviation of pixel / 255 over all images of `dataset`, for each
/// channel; over 4096 of them, at equal distances, where it is streamed and has more. A channel that
/// never varies gets 1 as its deviation, so that it can be divided by.
/// Numerics  from exact histograms, in double; the results are rounded to float once.
/// Errors    ShapeError: as check(dataset). FileError: a streamed image can't be read.
Normalisation measure_normalisation(const Dataset& dataset);

}  // namespace trifold::nn
