/// Bilinear resize of channels-last images.
///
/// Reference tests/oracle/resize.h; test tests/kernels/resize_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// Extents in elements, each >= 1.
struct ResizeShape {
  std::int64_t n, src_h, src_w, dst_h, dst_w, c;
};

/// Throws ShapeError unless every extent is >= 1.
void check(const ResizeShape& s);

/// plain: two taps a dimension, whatever the scale. antialias: when shrinking by the factor f, the
/// triangle is f times as wide, as PyTorch's and Pillow's bilinear filters are.
enum class ResizeFilter { plain, antialias };

/// Separable resize, y = A_h x A_w^T for each image and channel. Output i samples the source at
/// s(i) = (i + 0.5) src / dst - 0.5 (half-pixel centres).
/// plain: s is clamped to [0, src - 1]; taps floor(s), floor(s) + 1 with weights 1 - t, t.
/// antialias: with f = max(src / dst, 1), tap j has the weight max(0, 1 - |j - s(i)| / f), taps
/// outside the image are dropped, and the weights are normalised to sum 1.
/// Shapes    x (n, src_h, src_w, c), y (n, dst_h, dst_w, c); float32 on ex.device.
/// Effects   overwrites y; x and y do not overlap.
/// Errors    ShapeError: an extent < 1.
/// Numerics  |y - exact| <= (taps + 8) 2^-24 max |x|.
/// Source    torch.nn.functional.interpolate(align_corners=False), antialias False and True.
void resize_forward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* x,
                    float* y);

/// dx = A_h^T dy A_w, the adjoint of resize_forward. Overwrites dx.
void resize_backward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* dy,
                     float* dx);

}  // namespace trifold::kernels
