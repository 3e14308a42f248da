/// What the batch norms of a batch share, whether they are ops of their own or part of a
/// convolution.
#pragma once

#include "engine/fused_ops.h"
#include "kernels/batch_norm.h"

namespace trifold::engine {

/// Errors    ShapeError: the state isn't that of a batch norm of an x of this shape.
void check_state(const BatchNormState& state, const Shape& x);

/// Where a kernel leaves the factors `f` of a batch norm; they and the state outlive its call.
kernels::BatchNormFactors factors_to(const NormFactors& f, const BatchNormState& state);
NormFactors fresh_factors(const Shape& x, Device device);

/// Where a kernel leaves norm.coefficients, which are made here.
kernels::BatchNormCoefficients fresh_coefficients(LazyBatchNorm& norm);

/// The factors of a batch norm of an x of this shape from the statistics of x. The running
/// statistics move.
/// Errors    ShapeError: statistics of another shape than (3,c).
NormFactors norm_factors(const kernels::Exec& ex, const Shape& x, const Tensor& statistics,
                         const BatchNormState& state);

}  // namespace trifold::engine
