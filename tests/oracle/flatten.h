/// Plain references of kernels/flatten.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

/// (n, pixels, c) -> (n, c pixels).
std::vector<double> flatten_forward(std::int64_t n, std::int64_t pixels, std::int64_t c,
                                    const std::vector<double>& x);
/// (n, c pixels) -> (n, pixels, c).
std::vector<double> flatten_backward(std::int64_t n, std::int64_t pixels, std::int64_t c,
                                     const std::vector<double>& dy);

}  // namespace oracle
