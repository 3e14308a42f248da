#include "tests/oracle/concat.h"

namespace oracle {

std::vector<double> copy_channels(std::int64_t rows, std::int64_t channels,
                                  const std::vector<double>& src, std::int64_t src_offset,
                                  const std::vector<double>& dst, std::int64_t dst_offset,
                                  bool accumulate) {
  const std::int64_t src_width = static_cast<std::int64_t>(src.size()) / rows;
  const std::int64_t dst_width = static_cast<std::int64_t>(dst.size()) / rows;
  std::vector<double> result = dst;
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t j = 0; j < channels; ++j) {
      double& to = result[static_cast<std::size_t>(m * dst_width + dst_offset + j)];
      to = (accumulate ? to : 0) + src[static_cast<std::size_t>(m * src_width + src_offset + j)];
    }
  }
  return result;
}

}  // namespace oracle
