/// A plain double-precision reference of kernels::norm_conv2d_backward, straight from the formulas.
#pragma once

#include <vector>

#include "tests/oracle/norm_conv2d.h"

namespace oracle {

/// The gradient of a convolution's result: g where y is empty, else the deferred one of a batch
/// norm of y.
struct OutputGradient {
  std::vector<float> g, y, mean, scale, coefficient, constant;
};

/// (g + coefficient (y - mean) + constant) scale, its magnitude that of all its terms.
Sums evaluated(const OutputGradient& dy);

/// What a convolution reads: a where it is not empty, else the normalised x, or x without a norm.
struct ConvInput {
  std::vector<float> x;
  const InputNorm* norm = nullptr;
  std::vector<float> a;

  Sums value() const;
};

struct ConvGradients {
  Sums g;     ///< with `added` and, with a norm, under the ReLU mask
  Sums sums;  ///< (2, c), with a norm: of g, and of g (x - mean)
  Sums dw;
  /// By element of g and of sums, how much a ReLU makes uncertain: whether it lets a gradient pass
  /// whose input is zero but for an error of `rounding`, relative to its magnitude.
  std::vector<double> uncertainty_of_g, uncertainty_of_sums;
};

/// `added` is empty or laid out as g.
ConvGradients norm_conv2d_backward(const Conv2dCase& t, const OutputGradient& dy,
                                   const ConvInput& input, const std::vector<float>& w,
                                   const std::vector<float>& added, double rounding);

}  // namespace oracle
