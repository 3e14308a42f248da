/// Plain double-precision references of kernels/norm_conv2d.h, straight from the formulas.
#pragma once

#include <vector>

#include "tests/oracle/conv2d.h"

namespace oracle {

/// act((x - mean) scale + shift), a channel at a time.
struct InputNorm {
  std::vector<float> mean, scale, shift;
  bool relu;
};

/// The normalised x, its magnitude being |x - mean| |scale| + |shift|.
Sums normalised(const InputNorm& norm, const std::vector<float>& x);

/// The convolution of the normalised x.
Sums norm_conv2d_forward(const Conv2dCase& t, const InputNorm& norm, const std::vector<float>& x,
                         const std::vector<float>& w);

struct NormGradient {
  Sums g;     ///< with respect to (x - mean) scale + shift
  Sums sums;  ///< (2, c): of g, and of g (x - mean)
};
NormGradient norm_conv2d_backward_data(const Conv2dCase& t, const InputNorm& norm,
                                       const std::vector<float>& dy, const std::vector<float>& w,
                                       const std::vector<float>& x);

Sums norm_conv2d_backward_weight(const Conv2dCase& t, const InputNorm& norm,
                                 const std::vector<float>& x, const std::vector<float>& dy);

}  // namespace oracle
