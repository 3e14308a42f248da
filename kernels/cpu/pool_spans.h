/// Which pixels a pooling window covers, and which windows cover a pixel.
#pragma once

#include <algorithm>
#include <cstdint>

namespace trifold::kernels::cpu {

struct Span {
  std::int64_t begin, end;
};

/// The pixels of one dimension that window `out` covers.
inline Span pixels_of(std::int64_t out, std::int64_t window, std::int64_t stride, std::int64_t pad,
                      std::int64_t extent) {
  const std::int64_t first = out * stride - pad;
  return {std::max<std::int64_t>(first, 0), std::min(first + window, extent)};
}

/// The windows of one dimension, `outputs` in all, that cover pixel `in`.
inline Span windows_of(std::int64_t in, std::int64_t window, std::int64_t stride, std::int64_t pad,
                       std::int64_t outputs) {
  const std::int64_t last_start = in + pad, first_start = last_start - window + 1;
  return {first_start <= 0 ? 0 : (first_start + stride - 1) / stride,
          std::min(last_start / stride + 1, outputs)};
}

}  // namespace trifold::kernels::cpu
