/// How large the rounding errors of Winograd's F(4x4, 3x3) may be: its formulas with every matrix
/// and every operand replaced by its magnitudes, in double precision.
#pragma once

#include <vector>

#include "tests/oracle/conv2d.h"

namespace oracle {

/// For each element of y, dx and dw of a 3 x 3 convolution of stride 1; tiles start at the first
/// output.
std::vector<double> winograd_magnitude_forward(const Conv2dCase& t, const std::vector<float>& x,
                                               const std::vector<float>& w);
std::vector<double> winograd_magnitude_backward_data(const Conv2dCase& t,
                                                     const std::vector<float>& dy,
                                                     const std::vector<float>& w);
std::vector<double> winograd_magnitude_backward_weight(const Conv2dCase& t,
                                                       const std::vector<float>& x,
                                                       const std::vector<float>& dy);

}  // namespace oracle
