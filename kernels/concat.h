/// Concatenating and splitting along the channel (last) dimension.
///
/// Reference tests/oracle/concat.h; test tests/kernels/concat_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// A slice of channels of each row, in two arrays with their own row widths.
struct ChannelSlice {
  std::int64_t rows, channels, src_channels, src_offset, dst_channels, dst_offset;
};

/// Throws ShapeError for an extent < 1 or a slice outside its rows.
void check(const ChannelSlice& s);

/// Copies `channels` channels of each of `rows` rows between two arrays with their own row widths:
/// dst[m, dst_offset + j] (=, +=) src[m, src_offset + j], j < channels.
/// concat is one call an input (dst wide); its backward is one call an input (src wide).
/// Shapes    src (rows, src_channels), dst (rows, dst_channels); float32 on ex.device.
/// Effects   writes or accumulates that slice of dst; src and dst do not overlap.
/// Errors    ShapeError as check() says.
void copy_channels(const Exec& ex, const ChannelSlice& s, Write write, const float* src,
                   float* dst);

}  // namespace trifold::kernels
