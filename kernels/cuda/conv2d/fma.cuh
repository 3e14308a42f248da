/// Products of tiles on CUDA cores, in float32.
#pragma once

#include "kernels/cuda/conv2d/tile.cuh"

namespace trifold::kernels::cuda {

/// One thread's part of a tile of C, by float32 multiply-adds in ascending depth.
///
/// Threads lie column-fastest over the tile. An operand with its depth innermost gives a thread
/// rows spaced by the number of threads, so that a warp reads neighbouring rows of the slice; one
/// with its rows innermost gives it runs of four rows, one vector each. Either way a warp's reads
/// are 16-byte vectors without bank conflicts: thread_rows + thread_columns floats for thread_rows
/// * thread_columns multiply-adds.
template <class Tile, class SliceA, class SliceB>
class FloatProduct {
 public:
  using Element = float;

  __device__ FloatProduct()
      : row_(static_cast<int>(threadIdx.x) / threads_across),
        column_(static_cast<int>(threadIdx.x) % threads_across) {}

  __device__ void multiply(const float* a, const float* b) {
    // Not unrolled: reading ahead would take the registers that the sums need, and other warps hide
    // the latency.
#pragma unroll 1
    for (int depth = 0; depth < Tile::step; depth += 4) {
      float rows[Tile::thread_rows][4];
      load<SliceA, Tile::thread_rows, threads_down>(a, row_, depth, rows);
      float columns[Tile::thread_columns][4];
      load<SliceB, Tile::thread_columns, threads_across>(b, column_, depth, columns);
#pragma unroll
      for (int d = 0; d < 4; ++d)
#pragma unroll
        for (int i = 0; i < Tile::thread_rows; ++i)
#pragma unroll
          for (int j = 0; j < Tile::thread_columns; ++j)
            sum_[i][j] = fmaf(rows[i][d], columns[j][d], sum_[i][j]);
    }
  }

  /// Writes the sums to a row-major tile in shared memory.
  __device__ void store(float* tile, int pitch) const {
#pragma unroll
    for (int i = 0; i < Tile::thread_rows; ++i) {
      float* row = tile + place<SliceA, threads_down>(row_, i) * pitch;
      if constexpr (SliceB::innermost == Innermost::depth) {
#pragma unroll
        for (int j = 0; j < Tile::thread_columns; ++j)
          row[place<SliceB, threads_across>(column_, j)] = sum_[i][j];
      } else {
#pragma unroll
        for (int j = 0; j < Tile::thread_columns; j += 4)
          simt::st(row + place<SliceB, threads_across>(column_, j),
                   make_float4(sum_[i][j], sum_[i][j + 1], sum_[i][j + 2], sum_[i][j + 3]));
      }
    }
  }

 private:
  static constexpr int threads_across = Tile::columns / Tile::thread_columns;
  static constexpr int threads_down = Tile::rows / Tile::thread_rows;

  /// The i-th row (or column) of a thread.
  template <class Slice, int threads>
  static __device__ int place(int thread, int i) {
    return Slice::innermost == Innermost::depth ? i * threads + thread
                                                : i / 4 * (4 * threads) + thread * 4 + i % 4;
  }

  /// values[i][d] = element (place(i), depth + d) of the slice.
  template <class Slice, int count, int threads>
  static __device__ void load(const float* slice, int thread, int depth,
                              float (&values)[count][4]) {
    if constexpr (Slice::innermost == Innermost::depth) {
#pragma unroll
      for (int i = 0; i < count; ++i) {
        const auto v = simt::ld<float4>(slice + Slice::at(place<Slice, threads>(thread, i), depth));
        values[i][0] = v.x, values[i][1] = v.y, values[i][2] = v.z, values[i][3] = v.w;
      }
    } else {
#pragma unroll
      for (int d = 0; d < 4; ++d)
#pragma unroll
        for (int i = 0; i < count; i += 4) {
          const auto v =
              simt::ld<float4>(slice + Slice::at(place<Slice, threads>(thread, i), depth + d));
          values[i][d] = v.x, values[i + 1][d] = v.y;
          values[i + 2][d] = v.z, values[i + 3][d] = v.w;
        }
    }
  }

  int row_, column_;
  float sum_[Tile::thread_rows][Tile::thread_columns] = {};
};

}  // namespace trifold::kernels::cuda
