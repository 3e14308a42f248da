/// The fused backward pass of a convolution of few filters: data and weight gradient in one kernel.
#pragma once

#include "kernels/cuda/conv2d/plan.h"
#include "kernels/norm_conv2d.h"

namespace trifold::kernels::cuda {

/// As kernels::norm_conv2d_backward, by the plan of the shape. Effects: asynchronous on ex.stream.
void fused_backward(const Exec& ex, const Conv2dShape& s, const Conv2dFusedBackward& plan,
                    const OutputGradient& dy, const ConvInput& input, const float* w,
                    const float* added, float* g, float* sums, float* dw);

}  // namespace trifold::kernels::cuda
