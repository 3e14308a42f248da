/// Spatial pooling of channels-last images.
///
/// Reference tests/oracle/pool.h; test tests/kernels/pool_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// A window of (r, s) moved by (stride_h, stride_w) over the image with padding at all sides; the
/// output extent is floor((h + 2 pad - r) / stride) + 1.
struct PoolShape {
  std::int64_t n, h, w, c, r, s;
  std::int64_t stride_h, stride_w, pad_h = 0, pad_w = 0;

  std::int64_t p() const { return (h + 2 * pad_h - r) / stride_h + 1; }
  std::int64_t q() const { return (w + 2 * pad_w - s) / stride_w + 1; }
};

/// Throws ShapeError unless extents and strides are >= 1, 0 <= 2 pad <= window and the output is
/// not empty.
void check(const PoolShape& s);

/// y[n,p,q,c] = max of the window; padding never wins.
/// Shapes    x (n,h,w,c), y (n,p,q,c), argmax (n,p,q,c): the winner's offset in its image's h*w
///           pixels (the first of equals in row order; NaN wins), or null where no backward
///           follows.
/// Effects   overwrites y and argmax.
void max_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y,
                      std::int32_t* argmax);

/// dx = sum of dy over the windows that an element won. Overwrites dx.
void max_pool_backward(const Exec& ex, const PoolShape& s, const float* dy,
                       const std::int32_t* argmax, float* dx);

/// y = sum of the window / (r s), padding counting as zeros (PyTorch's count_include_pad).
void avg_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y);

/// The adjoint of avg_pool_forward. Overwrites dx.
void avg_pool_backward(const Exec& ex, const PoolShape& s, const float* dy, float* dx);

/// Throws ShapeError unless every extent is >= 1.
void check_global_pool(std::int64_t n, std::int64_t pixels, std::int64_t c);

/// y[n,c] = mean over the image: x (n, pixels, c) -> y (n, c).
void global_avg_pool_forward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                             const float* x, float* y);

/// dx[n,i,c] = dy[n,c] / pixels. Overwrites dx.
void global_avg_pool_backward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                              const float* dy, float* dx);

}  // namespace trifold::kernels
