#include "kernels/cuda/column_sums.cuh"

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/conv2d/plan.h"
#include "kernels/cuda/vector.cuh"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda {
namespace {

constexpr int lanes = column_sum_lanes, groups = column_sum_groups;

/// A block sums 32 columns over one part of the rows; the grid's second dimension counts the parts.
/// Bound by memory: every element is read once.
__global__ void __launch_bounds__(lanes* groups)
    column_sums_kernel(std::int64_t rows, std::int64_t columns, std::int64_t rows_per_part,
                       const float* __restrict__ matrix, float* __restrict__ sums) {
  const std::int64_t first = blockIdx.y * rows_per_part;
  sum_columns({.column = static_cast<std::int64_t>(blockIdx.x) * lanes + threadIdx.x,
               .lane = static_cast<int>(threadIdx.x),
               .group = static_cast<int>(threadIdx.y)},
              first, min(first + rows_per_part, rows), columns, matrix,
              sums + blockIdx.y * columns);
}

void sum_parts(const Exec& ex, std::int64_t rows, std::int64_t columns, std::int64_t parts,
               std::int64_t rows_per_part, const float* matrix, float* sums) {
  launch(ex, "column_sums", column_sums_kernel,
         dim3(grid_extent(div_up(columns, lanes)), grid_extent(parts)), dim3(lanes, groups), rows,
         columns, rows_per_part, matrix, sums);
}

}  // namespace

void column_sums(const Exec& ex, std::int64_t rows, std::int64_t columns, const float* matrix,
                 float* sums) {
  const auto [rows_per_part, parts] = plan_column_sums(rows, columns);
  if (parts == 1) return sum_parts(ex, rows, columns, 1, rows, matrix, sums);
  const Scratch<float> partial(ex, parts * columns);
  sum_parts(ex, rows, columns, parts, rows_per_part, matrix, partial.data());
  sum_parts(ex, parts, columns, 1, parts, partial.data(), sums);
}

}  // namespace trifold::kernels::cuda
