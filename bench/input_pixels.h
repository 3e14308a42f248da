/// What of an image a convolution's windows reach.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/conv2d.h"

namespace trifold::bench {

/// Places of one dimension of the input that a window reaches.
inline std::int64_t reached(std::int64_t extent, std::int64_t outputs, std::int64_t window,
                            std::int64_t stride, std::int64_t pad) {
  std::int64_t count = 0, next = 0;
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t first = std::max(next, o * stride - pad);
    const std::int64_t last = std::min(extent, o * stride - pad + window);
    count += std::max<std::int64_t>(0, last - first);
    next = std::max(next, last);
  }
  return count;
}

/// Pixels of the input that a window reaches: not all where the stride is longer than the window.
inline std::int64_t input_pixels(const kernels::Conv2dShape& s) {
  return s.n * reached(s.h, s.p(), s.r, s.stride_h, s.pad_h) *
         reached(s.w, s.q(), s.s, s.stride_w, s.pad_w);
}

}  // namespace trifold::bench
