/// Fully connected layer.
///
/// Reference tests/oracle/linear.h; test tests/kernels/linear_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

struct LinearShape {
  std::int64_t n, in, out;
};

/// Throws ShapeError unless every extent is >= 1.
void check(const LinearShape& s);

/// y = x w + b.
/// Shapes    x (n,in), w (in,out), b (out) or null, y (n,out); float32 on ex.device.
/// Effects   overwrites y. Errors: ShapeError for an extent < 1.
/// Numerics  |y - exact| <= (in + 2) 2^-24 (|b| + sum |x||w|).
void linear_forward(const Exec& ex, const LinearShape& s, const float* x, const float* w,
                    const float* b, float* y);

/// dx = dy w^T. Overwrites dx.
void linear_backward_data(const Exec& ex, const LinearShape& s, const float* dy, const float* w,
                          float* dx);

/// dw = x^T dy, db = column sums of dy (unless null), in a fixed order. Overwrites dw and db.
void linear_backward_weight(const Exec& ex, const LinearShape& s, const float* x, const float* dy,
                            float* dw, float* db);

}  // namespace trifold::kernels
