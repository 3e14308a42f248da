/// What the batch norms of a batch share, whether they are ops of their own or part of a
/// convolution.
#pragma once

#include "engine/fused_ops.h"

namespace trifold::engine {

/// Errors    ShapeError: the state isn't that of a batch norm of an x of this shape.
void check_state(const BatchNormState& state, const Shape& x);

/// The factors of a batch norm of an x of this shape from the statistics of x. The running
/// statistics move.
/// Errors    ShapeError: statistics of another shape than (3,c).
NormFactors norm_factors(const kernels::Exec& ex, const Shape& x, const Tensor& statistics,
                         const BatchNormState& state);

}  // namespace trifold::engine
