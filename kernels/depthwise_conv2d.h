/// Depthwise two-dimensional convolution, channels-last: each channel has one filter of its own.
///
/// Reference tests/oracle/depthwise_conv2d.h; test tests/kernels/depthwise_conv2d_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// Extents in elements. The output has p = floor((h + 2 pad_h - r) / stride_h) + 1 rows, q columns
/// likewise, and the channels of the input.
struct DepthwiseConv2dShape {
  std::int64_t n, h, w, c;  ///< input: batch, height, width, channels
  std::int64_t r, s;        ///< window height and width
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;

  std::int64_t p() const { return (h + 2 * pad_h - r) / stride_h + 1; }
  std::int64_t q() const { return (w + 2 * pad_w - s) / stride_w + 1; }
  std::int64_t x_size() const { return n * h * w * c; }
  std::int64_t w_size() const { return r * s * c; }
  std::int64_t y_size() const { return n * p() * q() * c; }
};

/// Throws ShapeError unless every extent is >= 1, pads are >= 0 and smaller than the window, the
/// output is not empty and every size is below 2^62.
void check(const DepthwiseConv2dShape& s);

/// y[n,p,q,c] = act(b[c]
///   + sum over r,s of x[n, p stride - pad + r, q stride - pad + s, c] w[r,s,c]);
/// x is zero outside its extents.
/// Shapes    x (n,h,w,c), w (r,s,c), b (c) or null, y (n,p,q,c); float32 on ex.device.
/// Effects   overwrites y, which overlaps nothing else.
/// Errors    ShapeError as check() says; DeviceError for a device that is not built in.
/// Numerics  float32 multiply-adds in the order of the window:
///           |y - exact| <= (r*s + 2) 2^-24 (|b| + sum |x||w|); the same bits for any thread count.
/// Source    Howard et al., "MobileNets", 2017, equation 3.
void depthwise_conv2d_forward(const Exec& ex, const DepthwiseConv2dShape& s, const float* x,
                              const float* w, const float* b, Activation act, float* y);

/// dx is the gradient of <dy, y> with respect to x.
/// Shapes    dy (n,p,q,c), w (r,s,c), dx (n,h,w,c).
/// Effects   writes or accumulates dx.
/// Numerics  as depthwise_conv2d_forward.
void depthwise_conv2d_backward_data(const Exec& ex, const DepthwiseConv2dShape& s, const float* dy,
                                    const float* w, Write write, float* dx);

/// dw is the gradient of <dy, y> with respect to w, and db (unless null) with respect to b.
/// Shapes    x (n,h,w,c), dy (n,p,q,c), dw (r,s,c), db (c) or null.
/// Effects   overwrites dw and db.
/// Numerics  partial sums over rows of the output, cut by the shape alone and added in fixed order:
///           |dw - exact| <= (n*p*q + 2) 2^-24 sum |x||dy|; the same bits for any thread count.
void depthwise_conv2d_backward_weight(const Exec& ex, const DepthwiseConv2dShape& s, const float* x,
                                      const float* dy, float* dw, float* db);

}  // namespace trifold::kernels
