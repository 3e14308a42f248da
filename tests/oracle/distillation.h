/// Plain double-precision references of kernels/distillation.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

struct Distillation {
  double weight, temperature;
};

/// loss (rows) of z and the teacher's t, both (rows, classes).
std::vector<double> distillation_loss(std::int64_t classes, const std::vector<double>& z,
                                      const std::vector<std::int32_t>& labels, double smoothing,
                                      const std::vector<double>& t, const Distillation& d);

/// The gradient of scale * sum of the losses with respect to z.
std::vector<double> distillation_loss_backward(std::int64_t classes, const std::vector<double>& z,
                                               const std::vector<std::int32_t>& labels,
                                               double smoothing, const std::vector<double>& t,
                                               const Distillation& d, double scale);

}  // namespace oracle
