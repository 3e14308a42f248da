/// Inputs for the tests of the fused batch norm and convolution.
#pragma once

#include "kernels/norm_conv2d.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/norm_conv2d.h"

namespace trifold::kernels::test {

struct NormConv2dInputs {
  Floats x, w, dy;
  oracle::InputNorm norm;

  InputNorm on(const Trial& ex) const {
    return {ex.in(norm.mean), ex.in(norm.scale), ex.in(norm.shift),
            norm.relu ? Activation::relu : Activation::none};
  }
};

/// Sums of these are exact, so is the normalised input, and their products are in every precision.
inline NormConv2dInputs whole_numbers(const Conv2dShape& s, bool relu) {
  return {integers(s.x_size(), 1, 2),
          integers(s.w_size(), 2, 2),
          integers(s.y_size(), 3, 2),
          {integers(s.c, 4, 2), integers(s.c, 5, 2), integers(s.c, 6, 2), relu}};
}

inline NormConv2dInputs reals(const Conv2dShape& s, bool relu) {
  return {normals(s.x_size(), 1, 0.5, 2),
          normals(s.w_size(), 2),
          normals(s.y_size(), 3),
          {normals(s.c, 4, 0.5, 0.2), normals(s.c, 5, 0.5, 0.3), normals(s.c, 6), relu}};
}

}  // namespace trifold::kernels::test
