/// Convolutions and batch norms of a training step that work on each other's behalf, so that each
/// saves the other a pass over memory. kernels/norm_conv2d.h draws the steps and derives the
/// gradient; here is what one op hands the next beside the values and their gradients:
///   forward   BatchStatistics, from a convolution to the norm of its result;
///             LazyBatchNorm, from a norm to the convolution that reads its result;
///   backward  LazyBatchNorm::sums, from that convolution back to the norm;
///             DeferredGradient, from the norm back to the convolution in front of it.
#pragma once

#include <memory>

#include "engine/ops.h"

namespace trifold::engine {

/// The gradient of a value y that one batch norm alone reads, where it isn't evaluated yet:
///   dy = (g + coefficient (y - mean) + constant) scale,
/// g being the gradient of y on the tape. Undefined tensors: dy = g.
struct DeferredGradient {
  Tensor y, mean, scale, coefficient, constant;
};

/// The factors of a batch norm, (c) each; see kernels::batch_norm_factors.
struct NormFactors {
  Tensor mean, inv_std, scale, shift;
};

/// The statistics (3,c) of a value, for the batch norms of it.
struct BatchStatistics {
  Tensor values;
  /// Where a norm that alone reads the value may leave its gradient deferred: the op that made the
  /// value evaluates it. Null: nowhere.
  std::shared_ptr<DeferredGradient> gradient;
  /// Those of the one batch norm of it, where the op that made the value knew that; else undefined.
  NormFactors factors{};
};

/// The coefficients of a deferred gradient, and gradients of the norm's scales; (c) each. See
/// kernels::batch_norm_gradient_coefficients.
struct NormCoefficients {
  Tensor scale, coefficient, constant, dgamma, dbeta;
};

/// A batch norm a = act(norm(x) [+ residual]) as the convolution sees it that reads a. In the
/// backward pass this convolution is the last to give a a gradient, for it is the first to read it;
/// so it adds up what others gave, makes that the gradient of what act takes, and leaves its sums
/// and, where the norm defers its gradient, the coefficients made of them.
struct LazyBatchNorm {
  Tensor x;     ///< a are its first channels, or all
  Shape shape;  ///< of a
  NormFactors factors;
  kernels::Activation act;
  Tensor gamma;
  bool defers = false;  ///< whether the gradient of x is left deferred
  Tensor sums{};        ///< (2,c), as kernels::norm_conv2d_backward gives them; undefined before
  NormCoefficients coefficients{};  ///< undefined before, and where it doesn't defer
};

/// A value, and the batch norm that yields it, if one does. The array of a deferred result is
/// undefined: the convolution that reads it works it out.
struct LazyValue {
  Var a;
  std::shared_ptr<LazyBatchNorm> norm;
};

/// Whether a norm's result is stored, for any reader, or deferred to the only convolution that
/// reads it.
enum class Result { stored, deferred };

/// act(batch_norm(x) [+ residual]) with the statistics of the batch, `of_x` being those of x. Of an
/// x of more channels than the norm has, a deferred result takes the first; residual is a null
/// pointer or has the shape of x.
/// Errors    ShapeError also for a residual of a deferred result.
LazyValue lazy_batch_norm(Tape& tape, const Var& x, const BatchStatistics& of_x,
                          const BatchNormState& state, const Var* residual, kernels::Activation act,
                          Result result);

/// conv2d(input, w) without bias. `statistics`, unless null, become those of the result, with a
/// place for its gradient. `behind`, unless null, is the one batch norm of the result: its factors
/// come with the statistics, and its running statistics move.
/// Errors    ShapeError also for a norm behind of other channels than w's.
Var norm_conv2d(Tape& tape, const LazyValue& input, const Var& w, const ConvGeometry& geometry,
                BatchStatistics* statistics = nullptr, const BatchNormState* behind = nullptr);

/// The statistics of x in a pass of their own: kernels::batch_norm_statistics.
Tensor batch_statistics(const kernels::Exec& ex, const Tensor& x);

}  // namespace trifold::engine
