/// The convolutions that are timed: read from files, and named in rows.
#pragma once

#include <string>
#include <vector>

#include "bench/kernels/conv2d_check.h"
#include "bench/kernels/suite.h"
#include "kernels/conv2d.h"

namespace trifold::bench {

/// The distinct shapes of files with a line "n h w c k r s stride pad" for each, and comments
/// behind #.
/// Errors    FileError naming file and line: not readable, or not such a line.
std::vector<kernels::Conv2dShape> read_conv2d_shapes(const std::vector<std::string>& files);

/// Such as "n128_32x32x16".
std::string image_name(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c);

/// Such as "n128_32x32x16_k16_3x3s1p1".
std::string conv2d_name(const kernels::Conv2dShape& s);

/// Of one pass, as the formula has it: products with the zeros of the padding count, and Winograd's
/// savings don't. Of the input what windows reach is read; its gradient is written whole.
Work conv2d_work(const kernels::Conv2dShape& s, Pass pass);

}  // namespace trifold::bench
