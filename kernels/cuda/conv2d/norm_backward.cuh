/// The two halves of norm_conv2d_backward.
#pragma once

#include "kernels/cuda/conv2d/backward_sums.h"
#include "kernels/cuda/conv2d/weight_parts.cuh"
#include "kernels/norm_conv2d.h"

namespace trifold::kernels::cuda {

/// The parts of dw. A deferred dy is kept in `stored_dy` (n,p,q,k) for the other half, unless that
/// is null.
void weight_gradient(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                     const ConvInput& input, float* stored_dy, const WeightParts& parts);

/// g, sums and, unless null, the coefficients made of them, from dy (n,p,q,k) as it is. Adds up the
/// filters' parts as well.
void data_gradient(const Exec& ex, const Conv2dShape& s, const float* dy, const ConvInput& input,
                   const float* w, const float* added, float* g, float* sums,
                   const BatchNormCoefficients* coefficients, const FilterParts& filters);

}  // namespace trifold::kernels::cuda
