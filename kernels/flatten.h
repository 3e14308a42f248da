/// From images to rows, a channel's pixels side by side, as PyTorch's flatten lays them.
///
/// Reference tests/oracle/flatten.h; test tests/kernels/flatten_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

struct FlattenShape {
  std::int64_t n, pixels, c;
};

/// Throws ShapeError unless every extent is >= 1 and c and pixels are below 2^31.
void check(const FlattenShape& s);

/// y[n, ch pixels + p] = x[n, p, ch].
/// Shapes    x (n,pixels,c), y (n,c pixels); float32 on ex.device.
/// Effects   overwrites y, which doesn't overlap x.
/// Errors    ShapeError as check() says.
void flatten_forward(const Exec& ex, const FlattenShape& s, const float* x, float* y);

/// dx[n, p, ch] = dy[n, ch pixels + p]. Shapes, effects and errors likewise.
void flatten_backward(const Exec& ex, const FlattenShape& s, const float* dy, float* dx);

}  // namespace trifold::kernels
