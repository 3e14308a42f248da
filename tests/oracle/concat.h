/// Plain reference of kernels/concat.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

/// dst with its slice replaced by, or increased by, that of src.
std::vector<double> copy_channels(std::int64_t rows, std::int64_t channels,
                                  const std::vector<double>& src, std::int64_t src_offset,
                                  const std::vector<double>& dst, std::int64_t dst_offset,
                                  bool accumulate);

}  // namespace oracle
