/// Convolutions and batch norms of a training step that work on each other's behalf, so that each
/// saves the other a pass over memory: kernels/norm_conv2d.h has what is computed.
///
/// What one hands the other passes beside the values and their gradients:
///   forward   Moments, from a convolution to the norm of its result;
///             Norm, from a batch norm to the convolution that reads its result;
///   backward  Norm::sums and Moments::gradient, the other way.
#pragma once

#include <memory>

#include "engine/ops.h"

namespace trifold::engine {

/// The gradient of a value y that one batch norm alone reads, where it isn't formed yet:
///   dy = (g + (y - mean) slope + offset) scale,
/// g being the gradient of y on the tape. Undefined tensors: it is formed, dy = g.
struct UnformedGradient {
  Tensor y, mean, scale, slope, offset;
};

/// The moments (3,c) of a value, for the batch norms of it.
struct Moments {
  Tensor values;
  /// Where a norm that alone reads the value may leave its gradient unformed: whoever made the
  /// value forms it. Null: nowhere.
  std::shared_ptr<UnformedGradient> gradient;
};

/// The coefficients of a batch norm, (c) each; see kernels::batch_norm_factors.
struct NormFactors {
  Tensor mean, inv_std, scale, shift;
};

/// A batch norm a = act(norm(x) [+ residual]) as the convolution sees it that reads a. In the
/// backward pass this convolution is the last to give a a gradient, for it is the first to read it;
/// so it adds up what others gave, makes that the gradient of what act takes, and leaves its sums.
struct Norm {
  Tensor x;     ///< a are its first channels, or all
  Shape shape;  ///< of a
  NormFactors factors;
  kernels::Activation act;
  Tensor sums;  ///< (2,c), as kernels::norm_conv2d_backward gives them; undefined before
};

/// A value, and the batch norm that yields it, if one does. Its array is undefined where it is left
/// to the convolution that reads it to form.
struct Normed {
  Var a;
  std::shared_ptr<Norm> norm;
};

/// Whether a norm's result is stored, for any reader, or formed by the only convolution that reads
/// it.
enum class Result { stored, formed_by_reader };

/// act(batch_norm(x) [+ residual]) with the statistics of the batch, `of_x` being x's moments. Of an
/// x of more channels than the norm has, a result that isn't stored takes the first; residual is a
/// null pointer or has the shape of x.
/// Errors    ShapeError also for a residual of a result that isn't stored.
Normed normalise(Tape& tape, const Var& x, const Moments& of_x, const BatchNormState& state,
                 const Var* residual, kernels::Activation act, Result result);

/// conv2d(input, w) without bias. `moments`, unless null, become those of the result, with a place
/// for its gradient.
Var norm_conv2d(Tape& tape, const Normed& input, const Var& w, const ConvGeometry& geometry,
                Moments* moments = nullptr);

/// The moments of x in a pass of their own: kernels::batch_norm_moments.
Tensor batch_moments(const kernels::Exec& ex, const Tensor& x);

}  // namespace trifold::engine
