/// How linear.cu cuts its products: by their shape alone. Plain C++, no CUDA.
#pragma once

#include <algorithm>
#include <cstdint>

namespace trifold::kernels::cuda {

/// A block computes a square of the result of so many rows, from slices of so much of the depth.
constexpr int linear_tile = 16, linear_slice = 32;

/// Parts of the depth of a product (m, k) (k, n), each of whole slices; where there are more than
/// one, a second launch adds them.
struct LinearPlan {
  std::int64_t part_depth, parts;
};

/// As many parts as fill 128 multiprocessors, of 4 slices or more.
inline LinearPlan plan_linear(std::int64_t m, std::int64_t n, std::int64_t k, bool has_bias) {
  constexpr std::int64_t wanted_blocks = 128, least_slices = 4;
  const auto div_up = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t blocks = div_up(m, linear_tile) * div_up(n, linear_tile);
  const std::int64_t slices = div_up(k, linear_slice);
  const std::int64_t wanted = std::max<std::int64_t>(wanted_blocks / blocks, 1);
  const std::int64_t most = has_bias ? 1 : div_up(slices, least_slices);
  const std::int64_t part_depth = div_up(slices, std::min(wanted, most)) * linear_slice;
  return {.part_depth = part_depth, .parts = div_up(k, part_depth)};
}

}  // namespace trifold::kernels::cuda
