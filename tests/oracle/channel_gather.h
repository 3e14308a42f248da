/// Plain references of kernels/channel_gather.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

struct Gather {
  std::int64_t n, h, w, c, stride;
};

std::vector<double> channel_gather_forward(const Gather& g, const std::vector<double>& x,
                                           const std::vector<std::int32_t>& source);
std::vector<double> channel_gather_backward(const Gather& g, const std::vector<double>& dy,
                                            const std::vector<std::int32_t>& source);

}  // namespace oracle
