/// Batch normalisation over all but the last (channel) dimension, alone or fused with what follows.
#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/exec.h"

namespace trifold::kernels {

/// rows = n*h*w samples of each of `channels` channels.
struct BatchNormShape {
  std::int64_t rows, channels;
};

/// Throws ShapeError unless every extent is >= 1.
void check(const BatchNormShape& s);

/// y = act(gamma (x - mean) / sqrt(var + eps) + beta [+ residual]), with mean and biased variance
/// of this batch.
/// Shapes    x, residual (or null), y (rows, channels); gamma, beta, mean, inv_std (channels).
/// Effects   overwrites y, mean (batch mean) and inv_std = 1 / sqrt(var + eps); when running_mean
///           is not null: running = (1 - momentum) running + momentum batch, the running variance
///           taking the unbiased batch variance (n / (n - 1)), as PyTorch does. y may be x or
///           residual.
/// Errors    ShapeError: an extent < 1.
/// Numerics  shifted or pairwise sums whose error does not grow with |mean| / std; fixed order.
/// Source    Ioffe and Szegedy, 2015; torch.nn.BatchNorm2d for the running statistics.
void batch_norm_train(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float eps, float momentum, const float* residual,
                      Activation act, float* y, float* mean, float* inv_std, float* running_mean,
                      float* running_var);

/// y = act(gamma (x - running_mean) / sqrt(running_var + eps) + beta [+ residual]).
/// Effects   overwrites y, which may be x or residual.
void batch_norm_eval(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                     const float* beta, const float* running_mean, const float* running_var,
                     float eps, const float* residual, Activation act, float* y);

/// Gradients of <dy, y> for batch_norm_train. With g = dy where y > 0, else 0 (or g = dy without
/// ReLU) and xhat = (x - mean) inv_std:
///   dgamma = sum g xhat, dbeta = sum g, dx = gamma inv_std (g - dbeta/rows - xhat dgamma/rows),
///   dresidual = g.
/// Shapes    x, y, dy, dx, dresidual (or null) (rows, channels); y is read only for
/// Activation::relu
///           and may be null otherwise.
/// Effects   overwrites dx, dgamma, dbeta, dresidual. dx or dresidual may be dy.
/// Numerics  fixed order; the same bits for any thread count.
void batch_norm_backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
                         const float* mean, const float* inv_std, const float* gamma,
                         Activation act, const float* dy, float* dx, float* dgamma, float* dbeta,
                         float* dresidual);

/// Gradients of <dy, y> for batch_norm_eval, whose statistics are constants:
///   dx = gamma / sqrt(running_var + eps) g, dgamma and dbeta as above with the running statistics.
void batch_norm_eval_backward(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* running_mean, const float* running_var,
                              float eps, const float* gamma, Activation act, const float* dy,
                              float* dx, float* dgamma, float* dbeta, float* dresidual);

}  // namespace trifold::kernels
