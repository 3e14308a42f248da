/// Channels of images times a factor each, which every image has of its own: the excitation of a
/// squeeze-and-excitation block.
///
/// Reference tests/oracle/channel_scale.h; test tests/kernels/channel_scale_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

struct ChannelScaleShape {
  std::int64_t n, pixels, c;
};

/// Throws ShapeError unless every extent is >= 1.
void check(const ChannelScaleShape& s);

/// y[n, p, ch] = x[n, p, ch] factor[n, ch]. The gradient of x is the same function of dy.
/// Shapes    x (n,pixels,c), factor (n,c), y (n,pixels,c); on ex.device.
/// Effects   overwrites y, which may be x.
/// Errors    ShapeError as check() says.
/// Numerics  one multiplication: the same bits on every device.
/// Source    Hu et al., "Squeeze-and-excitation networks", CVPR 2018, equation 4.
void channel_scale(const Exec& ex, const ChannelScaleShape& s, const float* x, const float* factor,
                   float* y);

/// dfactor[n, ch] = sum over p of x[n, p, ch] dy[n, p, ch].
/// Shapes    x (n,pixels,c), dy (n,pixels,c), dfactor (n,c); on ex.device.
/// Effects   overwrites dfactor, which overlaps nothing.
/// Errors    ShapeError as check() says.
/// Numerics  summed in a fixed order: |dfactor - exact| <= (pixels + 2) 2^-24 sum |x dy|.
void channel_scale_gradient(const Exec& ex, const ChannelScaleShape& s, const float* x,
                            const float* dy, float* dfactor);

}  // namespace trifold::kernels
