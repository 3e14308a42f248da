/// Batch normalisation over all but the last (channel) dimension, alone or fused with what follows.
/// Which of these runs when, and where the gradient comes from: kernels/norm_conv2d.h.
///
/// Reference tests/oracle/batch_norm.h;
///           test tests/kernels/batch_norm_test.cpp, batch_norm_steps_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// rows = n*h*w samples of each of `channels` channels.
struct BatchNormShape {
  std::int64_t rows, channels;
};

/// Throws ShapeError unless every extent is >= 1.
void check(const BatchNormShape& s);

/// What batch_norm_factors takes beside the statistics, and what it leaves: for a kernel that takes
/// the statistics and makes the factors of them, to the bits of batch_norm_factors.
struct BatchNormFactors {
  const float *gamma, *beta;
  float eps, momentum;
  float *mean, *inv_std, *scale, *shift, *running_mean, *running_var;
};

/// The same of batch_norm_gradient_coefficients, for a kernel that takes its sums.
struct BatchNormCoefficients {
  const float *inv_std, *gamma;
  float *scale, *coefficient, *constant, *dgamma, *dbeta;
};

/// y = act(gamma (x - mean) / sqrt(var + eps) + beta [+ residual]), with mean and biased variance
/// of this batch: batch_norm_statistics, batch_norm_factors and batch_norm_apply in one.
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

/// The statistics of x, channel by channel: statistics[0] is the mean rounded to float32,
/// statistics[1] its low part, which the rounding cuts off (the exact mean is about statistics[0] +
/// statistics[1]), statistics[2] the biased variance.
/// Shapes    x (rows, channels), statistics (3, channels).
/// Effects   overwrites statistics.
/// Numerics  sums of deviations from a local centre, merged in double in fixed order: the error of
///           the mean is relative to std and that of the variance to itself, however large
///           |mean| / std. The same bits for any thread count.
/// Source    Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
///           Sample Variances", 1979, for merging the parts.
void batch_norm_statistics(const Exec& ex, const BatchNormShape& s, const float* x,
                           float* statistics);

/// What a batch norm multiplies and adds, from the statistics of rows samples, with var =
/// statistics[2]:
///   mean = statistics[0], inv_std = 1 / sqrt(var + eps), scale = gamma inv_std,
///   shift = beta - statistics[1] scale,
/// so that (x - mean) scale + shift is the batch norm of x.
/// Shapes    statistics (3, channels), the others (channels).
/// Effects   overwrites mean, inv_std, scale and shift; the running statistics move as
///           batch_norm_train says, or are null.
void batch_norm_factors(const Exec& ex, const BatchNormShape& s, const float* statistics,
                        const float* gamma, const float* beta, float eps, float momentum,
                        float* mean, float* inv_std, float* scale, float* shift,
                        float* running_mean, float* running_var);

/// y = act((x - mean) scale + shift [+ residual]).
/// Shapes    x, residual (or null), y (rows, channels); mean, scale, shift (channels).
/// Effects   overwrites y, which may be x or residual.
void batch_norm_apply(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                      const float* scale, const float* shift, const float* residual, Activation act,
                      float* y);

/// The gradient g of what the ReLU of a batch norm takes, dy where y > 0, else 0 (the ReLU mask),
/// from that of its result y, with sums[0] = sum g and sums[1] = sum g (x - mean). Without ReLU y
/// is null and g dy.
/// Shapes    x, y, dy, g (rows, channels), mean (channels), sums (2, channels).
/// Effects   overwrites sums and, unless null, g, which may be dy, and what `coefficients` points to.
/// Numerics  summed in double over parts, in fixed order; the same bits for any thread count.
void batch_norm_gradient_sums(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* mean, const float* dy, float* g,
                              float* sums, const BatchNormCoefficients* coefficients = nullptr);

/// The gradients of batch_norm_train from the gradient g of what its ReLU takes and from
/// sums[0] = sum g and sums[1] = sum g (x - mean), as norm_conv2d_backward and
/// batch_norm_gradient_sums give them:
///   dbeta = sums[0], dgamma = inv_std sums[1],
///   dx = gamma inv_std (g - dbeta/rows - xhat dgamma/rows), xhat = (x - mean) inv_std.
/// Shapes    g (rows, channels); sums (2, channels); the others (channels). x and dx likewise, or
///           the first channels of arrays of `pitch` channels; 0 stands for as many as there are.
/// Effects   writes or accumulates dx; overwrites dgamma and dbeta. Where dx is overwritten and no
///           wider it may be g.
/// Errors    ShapeError: an extent < 1, or a pitch of less than the channels.
void batch_norm_gradient(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                         const float* inv_std, const float* gamma, const float* g,
                         const float* sums, Write write, float* dx, float* dgamma, float* dbeta,
                         std::int64_t pitch = 0);

/// The same dx deferred: its coefficients, for what reads g and x and works it out on the way,
///   dx = (g + coefficient (x - mean) + constant) scale, with scale = gamma inv_std,
///   coefficient = -inv_std^2 sums[1] / rows, constant = -sums[0] / rows.
/// Shapes    sums (2, channels), the others (channels).
/// Effects   overwrites scale, coefficient, constant, dgamma and dbeta.
/// Errors    ShapeError: an extent < 1.
void batch_norm_gradient_coefficients(const Exec& ex, const BatchNormShape& s, const float* inv_std,
                                      const float* gamma, const float* sums, float* scale,
                                      float* coefficient, float* constant, float* dgamma,
                                      float* dbeta);

/// The floats from a row to the next for such a pitch. Errors: ShapeError as above.
std::int64_t pitch_of(std::int64_t pitch, const BatchNormShape& s);

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
