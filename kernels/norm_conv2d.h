/// A convolution together with the batch norm in front of it and the statistics for the one behind.
///
/// Batch normalisation is bound by memory. Worked on a convolution's input as it is read, and its
/// sums taken of a convolution's output as it is written, it saves most of its passes over memory,
/// and the normalised activation is never stored.
///
/// A batch norm between two convolutions: y1 = conv(x, w1), a = relu(norm(y1)), y2 = conv(a, w2).
/// Time runs down; what touches whole arrays stands on the left, what works channel by channel, in
/// next to no time, on the right. dy1, dy2 are the gradients of y1, y2, and g that of what the ReLU
/// takes.
///
///   FORWARD
///   norm_conv2d_forward(x, w1) --------> y1
///         `----- statistics of y1 ---------> batch_norm_factors
///                                                |  mean, inv_std, scale, shift
///   norm_conv2d_forward(y1, InputNorm, w2) <-----'  a = relu((y1 - mean) scale + shift)
///         |                                         while y1 is read
///         |`-------------------------------> y2
///         `----- statistics of y2 ---------> batch_norm_factors of the norm behind ...
///
///   BACKWARD
///   norm_conv2d_backward(dy2, ConvInput{y1, norm}, w2) --> dw2
///         |`--> g = (gradient of a) where a > 0, else 0
///         `----- sums: of g and of g (y1 - mean) --> batch_norm_gradient_coefficients
///                                                |  scale, coefficient, constant; dgamma, dbeta
///   norm_conv2d_backward(OutputGradient{g, y1, ...}, x, w1) <--'
///         |                        dy1 = (g + coefficient (y1 - mean) + constant) scale
///         `--> dw1, ...            while g and y1 are read: the deferred gradient
///
/// What stands on the right is done by the launch that adds up the sums, where the norm is known by
/// then: BatchNormFactors, BatchNormCoefficients.
///
/// Where a neighbour is no such convolution, a pass of its own (kernels/batch_norm.h) takes the
/// step:
///   y1 comes from something else              batch_norm_statistics takes its statistics
///   a has other readers, or a residual added  batch_norm_apply stores it, and ConvInput says so
///   a is read by something else first         batch_norm_gradient_sums masks g and sums it up
///   y1 has other readers                      batch_norm_gradient evaluates dy1 and adds it
///   nothing is fused                          batch_norm_train and batch_norm_backward
///
/// The gradient of a batch norm, for one channel with samples x_i, i = 1 ... N, mean m, biased
/// variance v, s = inv_std = 1 / sqrt(v + eps), z_i = gamma (x_i - m) s + beta and g_i = dL/dz_i:
///   dbeta = sum g_i, dgamma = s sum g_i (x_i - m): the two sums are all that is needed.
/// L depends on x_i through z_i itself, through m and through v. With dm/dx_i = 1 / N,
/// dv/dx_i = 2 (x_i - m) / N and ds/dv = -s^3 / 2,
///   dL/dm = -gamma s sum g_j              (the part through v is 0, for sum (x_j - m) = 0)
///   dL/dv = -gamma s^3 / 2 sum g_j (x_j - m)
///   dL/dx_i = gamma s g_i + dL/dm / N + dL/dv 2 (x_i - m) / N
///           = (g_i + coefficient (x_i - m) + constant) scale,
/// scale = gamma s, coefficient = -s^2 / N sum g_j (x_j - m), constant = -1 / N sum g_j.
///
/// Reference tests/oracle/norm_conv2d.h, norm_conv2d_backward.h;
///           test tests/kernels/norm_conv2d_test.cpp, norm_conv2d_backward_test.cpp.
#pragma once

#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/conv2d.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// a = act((x - mean) scale + shift), channel by channel. Outside the image a is zero: the padding
/// is of a, not of x. mean, scale, shift (c). x may be the first c channels of a wider array, of
/// `pitch` channels; 0 stands for c.
struct InputNorm {
  const float* mean;
  const float* scale;
  const float* shift;
  Activation act;
  std::int64_t pitch = 0;
};

/// The floats from a pixel of x to the next.
/// Errors    ShapeError: less than the convolution's c.
std::int64_t pitch_of(const InputNorm& norm, const Conv2dShape& s);

/// y = conv2d_forward(a, w) with a = norm(x), or a = x where norm is null.
/// Shapes    x (n,h,w,c), w (r,s,c,k), y (n,p,q,k), statistics (3,k) or null.
/// Effects   overwrites y and, unless null, statistics with batch_norm_statistics(y); y overlaps
///           nothing else. `factors`, unless null, are made of the statistics, as
///           batch_norm_factors does, in the same launches.
/// Errors    ShapeError as check() and pitch_of() say, here and below.
/// Numerics  y as conv2d_forward's, for |a - exact| <= 3 2^-24 (|x - mean| |scale| + |shift|);
///           statistics as batch_norm_statistics'. The same bits for any thread count.
void norm_conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                         const InputNorm* norm, const float* w, float* y, float* statistics,
                         const BatchNormFactors* factors = nullptr);

/// The gradient dy of a convolution's result y: g itself where y is null, or the deferred gradient
/// of a batch norm of y, evaluated as it is read:
///   dy = (g + coefficient (y - mean) + constant) scale, channel by channel,
/// with what batch_norm_gradient_coefficients gives.
/// Shapes    g, y (n,p,q,k), the coefficients (k).
struct OutputGradient {
  const float* g;
  const float* y = nullptr;
  const float* mean = nullptr;
  const float* scale = nullptr;
  const float* coefficient = nullptr;
  const float* constant = nullptr;
};

/// What a convolution reads, a: x where norm is null; norm(x), worked out as it is read, where a is
/// null; else act(norm(x) + residual), which was stored in a (n,h,w,c).
struct ConvInput {
  const float* x;
  const InputNorm* norm = nullptr;
  const float* a = nullptr;
};

/// All gradients of <dy, y>, y = conv2d_forward(a, w). dw is that with respect to w. g is that with
/// respect to a, plus `added`, the gradient that a has from its other readers, and, with a norm,
/// zero where act is relu and a <= 0 (the ReLU mask): the gradient of what the ReLU takes.
/// Shapes    w, dw (r,s,c,k); added, g (n,h,w,c); sums (2,c).
/// Effects   overwrites dw; g, unless null; and, with a norm, sums: sums[0] is the sum of g over n,
///           h and w, sums[1] that of g (x - mean), as batch_norm_gradient(_coefficients) takes
///           them.
///           added may be null: nothing is added. Without a norm sums is null; without g, so are
///           added and sums. g may be added; it overlaps nothing else. `coefficients`, which may
///           be there where sums are, are made of them, as batch_norm_gradient_coefficients does
///           for the norm's n h w rows, in the same launches.
/// Errors    ShapeError as check() and pitch_of() say.
/// Numerics  g and dw as conv2d_backward_data's dx and conv2d_backward_weight's dw, with a in the
///           place of x, a having the error that norm_conv2d_forward states and dy
///           4 2^-24 (|g| + |coefficient| |y - mean| + |constant|) |scale|. Sums of parts, cut by
///           the shape alone, are added in double in fixed order; an error doesn't grow with
///           |mean| / std.
///           The same bits for any thread count.
void norm_conv2d_backward(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                          const ConvInput& input, const float* w, const float* added, float* g,
                          float* sums, float* dw,
                          const BatchNormCoefficients* coefficients = nullptr);

}  // namespace trifold::kernels
