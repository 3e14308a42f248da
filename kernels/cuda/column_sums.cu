#include "kernels/cuda/column_sums.cuh"

#include <algorithm>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/conv2d_launch.cuh"
#include "kernels/simt/simt.h"

namespace trifold::kernels::cuda {
namespace {

constexpr int lanes = 32, groups = 8;

/// A block sums 32 columns over one part of the rows: each of 8 warps takes every eighth row, which
/// its lanes read side by side, and the first warp adds the 8 sums in order. The grid's second
/// dimension counts the parts. Bound by memory: every element is read once.
__global__ void __launch_bounds__(lanes* groups)
    column_sums_kernel(std::int64_t rows, std::int64_t columns, std::int64_t rows_per_part,
                       const float* __restrict__ matrix, float* __restrict__ sums) {
  SIMT_SHARED(float, partial, [groups][lanes]);
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * lanes + threadIdx.x;
  const std::int64_t first = blockIdx.y * rows_per_part;
  const std::int64_t last = min(first + rows_per_part, rows);
  float sum = 0;
  if (column < columns) {
#pragma unroll 4
    for (std::int64_t row = first + threadIdx.y; row < last; row += groups)
      sum += matrix[row * columns + column];
  }
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
  for (int group = 1; group < groups; ++group) sum += partial[group][threadIdx.x];
  sums[blockIdx.y * columns + column] = sum;
}

void launch(const Exec& ex, std::int64_t rows, std::int64_t columns, std::int64_t parts,
            std::int64_t rows_per_part, const float* matrix, float* sums) {
  check_launch(simt::launch(column_sums_kernel,
                            dim3(grid_extent(ceil_div(columns, lanes)), grid_extent(parts)),
                            dim3(lanes, groups), 0, stream_of(ex), rows, columns, rows_per_part,
                            matrix, sums),
               ex, "column_sums");
}

}  // namespace

void column_sums(const Exec& ex, std::int64_t rows, std::int64_t columns, const float* matrix,
                 float* sums) {
  // Enough blocks to fill a large device, each with at least 32 rows a warp.
  constexpr std::int64_t wanted_blocks = 528, least_rows = 32 * groups;
  const std::int64_t wanted = ceil_div(wanted_blocks, ceil_div(columns, lanes));
  const std::int64_t rows_per_part = std::max(least_rows, ceil_div(rows, wanted));
  const std::int64_t parts = ceil_div(rows, rows_per_part);
  if (parts == 1) return launch(ex, rows, columns, 1, rows, matrix, sums);
  Scratch partial(ex, parts * columns);
  launch(ex, rows, columns, parts, rows_per_part, matrix, partial.floats());
  launch(ex, parts, columns, 1, parts, partial.floats(), sums);
}

}  // namespace trifold::kernels::cuda
