/// Proof, before a convolution is timed, that it computes what it is timed for.
#pragma once

#include <string>

#include "kernels/conv2d.h"
#include "kernels/cpu/conv2d/algorithm.h"

namespace trifold::bench {

using Pass = kernels::cpu::Conv2dPass;

/// What a pass computes and from what: y from (x, w), dx from (dy, w), dw from (x, dy).
struct Conv2dArrays {
  const float* first;
  const float* second;
  const float* result;
};

/// The elements of a pass's result.
std::int64_t result_size(const kernels::Conv2dShape& s, Pass pass);

/// Compares a few elements of a pass's result, the first and the last among them, with plain sums
/// in double precision. Where `relu_y` is not null, elements where it is <= 0 have to be zero.
/// Errors    Error naming `what` and the element: it differs by more than a thousandth of the root
///           of the sum of its terms' squares. Rounding stays far below that, while leaving out one
///           of up to a million equal terms reaches it.
void check_conv2d(const std::string& what, const kernels::Conv2dShape& s, Pass pass,
                  const Conv2dArrays& arrays, const float* relu_y = nullptr);

}  // namespace trifold::bench
