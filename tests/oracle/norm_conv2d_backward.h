/// A plain double-precision reference of kernels::norm_conv2d_backward, straight from the formulas.
#pragma once

#include <vector>

#include "tests/oracle/norm_conv2d.h"

namespace oracle {

/// The gradient of a convolution's result: g where y is empty, else that behind a batch norm of y.
struct OutputGradient {
  std::vector<float> g, y, mean, scale, slope, offset;
};

/// (g + (y - mean) slope + offset) scale, its magnitude that of all its terms.
Sums formed(const OutputGradient& dy);

/// What a convolution reads: a where it is not empty, else the normalised x, or x without a norm.
struct ConvInput {
  std::vector<float> x;
  const InputNorm* norm = nullptr;
  std::vector<float> a;

  Sums value() const;
};

struct ConvGradients {
  Sums g;     ///< with `added` and, with a norm, gated
  Sums sums;  ///< (2, c), with a norm: of g, and of g (x - mean)
  Sums dw;
  /// By element of g and of sums, what a ReLU makes uncertain: whether it lets a gradient pass whose
  /// input is zero but for an error of `rounding`, relative to its magnitude.
  std::vector<double> doubt_of_g, doubt_of_sums;
};

/// `added` is empty or laid out as g.
ConvGradients norm_conv2d_backward(const Conv2dCase& t, const OutputGradient& dy,
                                   const ConvInput& input, const std::vector<float>& w,
                                   const std::vector<float>& added, double rounding);

}  // namespace oracle
