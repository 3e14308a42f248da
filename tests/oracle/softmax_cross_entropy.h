/// Plain double-precision references of kernels/softmax_cross_entropy.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

/// loss (rows) of z (rows, classes).
std::vector<double> softmax_cross_entropy(std::int64_t classes, const std::vector<double>& z,
                                          const std::vector<std::int32_t>& labels,
                                          double smoothing);

/// The gradient of scale * sum of the losses.
std::vector<double> softmax_cross_entropy_backward(std::int64_t classes,
                                                   const std::vector<double>& z,
                                                   const std::vector<std::int32_t>& labels,
                                                   double smoothing, double scale);

}  // namespace oracle
