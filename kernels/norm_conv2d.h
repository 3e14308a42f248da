/// A convolution together with the batch norm in front of it and the statistics for the one behind.
///
/// Batch normalisation is bound by memory. Worked on a convolution's input as it is read, and its
/// sums taken of a convolution's output as it is written, it saves most of its passes over memory,
/// and the normalised activation is never stored. kernels/batch_norm.h has the steps in between.
#pragma once

#include "kernels/activation.h"
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
///           nothing else.
/// Errors    ShapeError as check() and pitch_of() say, here and below.
/// Numerics  y as conv2d_forward's, for |a - exact| <= 3 2^-24 (|x - mean| |scale| + |shift|);
///           statistics as batch_norm_statistics'. The same bits for any thread count.
void norm_conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                         const InputNorm* norm, const float* w, float* y, float* statistics);

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
///           added and sums. g may be added; it overlaps nothing else.
/// Errors    ShapeError as check() and pitch_of() say.
/// Numerics  g and dw as conv2d_backward_data's dx and conv2d_backward_weight's dw, with a in the
///           place of x, a having the error that norm_conv2d_forward states and dy
///           4 2^-24 (|g| + |coefficient| |y - mean| + |constant|) |scale|. Sums of parts, cut by
///           the shape alone, are added in double in fixed order; an error doesn't grow with
///           |mean| / std.
///           The same bits for any thread count.
void norm_conv2d_backward(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                          const ConvInput& input, const float* w, const float* added, float* g,
                          float* sums, float* dw);

}  // namespace trifold::kernels
