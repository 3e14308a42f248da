/// The fused backward pass of a convolution of few filters: data and weight gradient in one kernel.
#pragma once

#include "kernels/cuda/conv2d/plan.h"
#include "kernels/norm_conv2d.h"

namespace trifold::kernels::cuda {

/// Whether the device lets a block have the shared memory that the kernel takes in ex.precision:
/// with 9 taps all tiles fit from compute capability 8.0 on, and the smallest at 7.5.
bool fused_backward_fits(const Exec& ex, const Conv2dShape& s, const Conv2dFusedBackward& plan);

/// As kernels::norm_conv2d_backward, by the plan of the shape. Effects: asynchronous on ex.stream.
/// Needs a device that the kernel fits.
void fused_backward(const Exec& ex, const Conv2dShape& s, const Conv2dFusedBackward& plan,
                    const OutputGradient& dy, const ConvInput& input, const float* w,
                    const float* added, float* g, float* sums, float* dw,
                    const BatchNormCoefficients* coefficients);

}  // namespace trifold::kernels::cuda
