/// From images as bytes to a batch of floats: crop, mirror and normalise.
///
/// Reference tests/oracle/augment.h; test tests/kernels/augment_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

struct AugmentShape {
  std::int64_t n, h, w, c;
};

/// Throws ShapeError unless every extent is >= 1.
void check(const AugmentShape& s);

/// The window of an image that is shown, in pixels from the image's own place; what lies outside
/// the image is black.
struct Crop {
  std::int32_t down = 0, right = 0;
  std::int32_t mirrored = 0;  ///< 1: the window is then mirrored left to right; else 0
};

/// y[n,i,j,ch] = table[ch, p], with the byte p = x[n, i + down, J + right, ch] where that is inside
/// the image, else 0; J = mirrored ? w - 1 - j : j, and down, right, mirrored are crops[n].
/// Shapes    x (n,h,w,c), crops (n), table (c,256), y (n,h,w,c); on ex.device.
/// Effects   overwrites y.
/// Errors    ShapeError: an extent < 1.
/// Numerics  entries of the table as they are: the same bits on every device.
void augment(const Exec& ex, const AugmentShape& s, const std::uint8_t* x, const Crop* crops,
             const float* table, float* y);

}  // namespace trifold::kernels
