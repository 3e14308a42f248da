/// How column_sums.cu cuts a matrix: by its shape alone. Plain C++, no CUDA.
#pragma once

#include <algorithm>
#include <cstdint>

namespace trifold::kernels::cuda {

constexpr int column_sum_lanes = 32, column_sum_groups = 8;

/// Parts of the rows; where there are more than one, a second launch adds their sums.
struct ColumnSumsPlan {
  std::int64_t rows_per_part, parts;
};

/// Enough blocks to fill a large device, each with at least 32 rows a warp.
inline ColumnSumsPlan plan_column_sums(std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t wanted_blocks = 528, least_rows = 32 * column_sum_groups;
  const auto div_up = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t wanted = div_up(wanted_blocks, div_up(columns, column_sum_lanes));
  const std::int64_t rows_per_part = std::max(least_rows, div_up(rows, wanted));
  const std::int64_t parts = div_up(rows, rows_per_part);
  return {.rows_per_part = parts == 1 ? rows : rows_per_part, .parts = parts};
}

}  // namespace trifold::kernels::cuda
