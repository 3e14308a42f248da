/// Two-dimensional convolution (cross-correlation), channels-last.
///
/// Reference tests/oracle/conv2d.h; test tests/kernels/conv2d_test.cpp, conv2d_winograd_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// Extents in elements. The output has p = floor((h + 2 pad_h - r) / stride_h) + 1 rows, q columns
/// likewise.
struct Conv2dShape {
  std::int64_t n, h, w, c;  ///< input: batch, height, width, channels
  std::int64_t k, r, s;     ///< filters, window height and width
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;

  std::int64_t p() const { return (h + 2 * pad_h - r) / stride_h + 1; }
  std::int64_t q() const { return (w + 2 * pad_w - s) / stride_w + 1; }
  std::int64_t x_size() const { return n * h * w * c; }
  std::int64_t w_size() const { return r * s * c * k; }
  std::int64_t y_size() const { return n * p() * q() * k; }
};

/// Throws ShapeError unless every extent is >= 1, pads are >= 0 and smaller than the window, the
/// output is not empty and every size is below 2^62.
void check(const Conv2dShape& s);

/// y[n,p,q,k] = b[k]
///   + sum over r,s,c of x[n, p stride - pad + r, q stride - pad + s, c] w[r,s,c,k];
/// x is zero outside its extents.
/// Shapes    x (n,h,w,c), w (r,s,c,k), b (k) or null, y (n,p,q,k); float32 on ex.device.
/// Effects   overwrites y, which overlaps nothing else.
/// Errors    ShapeError as check() says; DeviceError for a device that is not built in.
/// Numerics  float32 multiply-adds in an order fixed by the shape and the instruction set:
///           |y - exact| <= (r*s*c + 2) 2^-24 (|b| + sum |x||w|). Where the CPU takes Winograd's
///           algorithm (kernels/cpu/conv2d/algorithm.h), errors are about ten times as large, and
///           bounded as kernels/cpu/conv2d/winograd.h says.
///           On a GPU, where ex.precision rounds operands with a relative error u
///           (kernels/runtime/exec.h),
///           |y - exact| <= (u (2 + u) + (r*s*c + 2) 2^-23) (|b| + sum |x||w|).
void conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                    const float* b, float* y);

/// dx is the gradient of <dy, y> with respect to x.
/// Shapes    dy (n,p,q,k), w (r,s,c,k), dx (n,h,w,c).
/// Effects   writes or accumulates dx.
/// Numerics  as conv2d_forward, with r*s*k terms.
void conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                          Write write, float* dx);

/// dw is the gradient of <dy, y> with respect to w, and db (unless null) with respect to b.
/// Shapes    x (n,h,w,c), dy (n,p,q,k), dw (r,s,c,k), db (k) or null.
/// Effects   overwrites dw and db.
/// Numerics  partial sums over parts of the batch, cut by the shape alone and added in fixed order:
///           |dw - exact| <= (n*p*q + 2) 2^-24 sum |x||dy|; the same bits for any thread count.
///           ex.precision rounds the operands of dw as conv2d_forward's; db is float32 always.
void conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x, const float* dy,
                            float* dw, float* db);

}  // namespace trifold::kernels
