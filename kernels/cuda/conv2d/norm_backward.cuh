/// The two halves of norm_conv2d_backward, each a kernel and the sum of its parts.
#pragma once

#include "kernels/norm_conv2d.h"

namespace trifold::kernels::cuda {

/// dw. A deferred dy is kept in `stored_dy` (n,p,q,k) for the other half, unless that is null.
void weight_gradient(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                     const ConvInput& input, float* stored_dy, float* dw);

/// g and sums, from dy (n,p,q,k) as it is.
void data_gradient(const Exec& ex, const Conv2dShape& s, const float* dy, const ConvInput& input,
                   const float* w, const float* added, float* g, float* sums);

}  // namespace trifold::kernels::cuda
