/// Bound by memory: a square goes through shared memory, so that both sides are read and written
/// along their rows.
#include "kernels/cuda/check.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/flatten.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

constexpr int side = 32, thread_rows = 8;

/// Each of n matrices (rows, columns) to (columns, rows); a block moves one square of one of them.
/// Shared memory: the square, padded against bank conflicts.
__global__ void __launch_bounds__(side* thread_rows)
    transpose_kernel(int rows, int columns, int row_squares, int column_squares, const float* from,
                     float* to) {
  SIMT_SHARED(float, square, [side][side + 1]);
  const int squares = row_squares * column_squares;
  const int image = static_cast<int>(blockIdx.x) / squares;
  const int number = static_cast<int>(blockIdx.x) % squares;
  const int first_row = number / column_squares * side,
            first_column = number % column_squares * side;
  const std::int64_t offset = static_cast<std::int64_t>(image) * rows * columns;
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  for (int i = y; i < side; i += thread_rows) {
    const int row = first_row + i, column = first_column + x;
    if (row < rows && column < columns) {
      square[i][x] = from[offset + static_cast<std::int64_t>(row) * columns + column];
    }
  }
  __syncthreads();
  for (int j = y; j < side; j += thread_rows) {
    const int row = first_row + x, column = first_column + j;
    if (row < rows && column < columns) {
      to[offset + static_cast<std::int64_t>(column) * rows + row] = square[x][j];
    }
  }
}

void transpose(const Exec& ex, const char* name, std::int64_t n, std::int64_t rows,
               std::int64_t columns, const float* from, float* to) {
  const std::int64_t row_squares = div_up(rows, side), column_squares = div_up(columns, side);
  launch(ex, name, transpose_kernel, blocks_in_row(n * to_int(row_squares * column_squares)),
         dim3(side, thread_rows), to_int(rows), to_int(columns), to_int(row_squares),
         to_int(column_squares), from, to);
}

}  // namespace

void flatten_forward(const Exec& ex, const FlattenShape& s, const float* x, float* y) {
  check(s);
  transpose(ex, "flatten_forward", s.n, s.pixels, s.c, x, y);
}

void flatten_backward(const Exec& ex, const FlattenShape& s, const float* dy, float* dx) {
  check(s);
  transpose(ex, "flatten_backward", s.n, s.c, s.pixels, dy, dx);
}

}  // namespace trifold::kernels::cuda
