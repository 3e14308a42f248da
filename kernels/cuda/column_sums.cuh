/// Sums of the columns of a matrix, in an order fixed by its shape.
#pragma once

#include <cstdint>

#include "kernels/cuda/column_sums_plan.h"
#include "kernels/runtime/exec.h"
#include "kernels/simt/simt.h"

namespace trifold::kernels::cuda {

/// sums[j] = sum over i < rows of matrix[i * columns + j].
/// Effects   overwrites sums; asynchronous on ex.stream.
/// Numerics  |sum - exact| <= rows 2^-24 sum |matrix|; the same bits on every run.
void column_sums(const Exec& ex, std::int64_t rows, std::int64_t columns, const float* matrix,
                 float* sums);

/// The column that a thread of a block reads, and its place in the block.
struct ColumnReader {
  std::int64_t column;
  int lane, group;
};

/// A block's part of it: sums of 32 columns over rows from `first` to `last`. Each of 8 warps takes
/// every eighth row, which its lanes read side by side, and the first warp adds the 8 sums in order.
__device__ inline void sum_columns(const ColumnReader& at, std::int64_t first, std::int64_t last,
                                   std::int64_t columns, const float* __restrict__ matrix,
                                   float* __restrict__ sums) {
  SIMT_SHARED(float, partial, [column_sum_groups][column_sum_lanes]);
  float sum = 0;
  if (at.column < columns) {
#pragma unroll 4
    for (std::int64_t row = first + at.group; row < last; row += column_sum_groups)
      sum += matrix[row * columns + at.column];
  }
  partial[at.group][at.lane] = sum;
  __syncthreads();
  if (at.group != 0 || at.column >= columns) return;
  for (int group = 1; group < column_sum_groups; ++group) sum += partial[group][at.lane];
  sums[at.column] = sum;
}

}  // namespace trifold::kernels::cuda
