/// Plain reference of kernels/dropout.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

/// Which of `count` elements are kept.
std::vector<bool> dropout_kept(std::size_t count, double rate, std::uint64_t seed,
                               std::uint32_t stream, std::uint32_t layer, std::uint32_t step);

/// x / (1 - rate) where it is kept, else 0.
std::vector<double> dropout(const std::vector<double>& x, double rate,
                            const std::vector<bool>& kept);

}  // namespace oracle
