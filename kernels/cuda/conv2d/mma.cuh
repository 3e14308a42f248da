/// Products of tiles on tensor cores (compute capability 8.0 and later), summed in float32.
#pragma once

#include <cstdint>

#include "kernels/cuda/conv2d/tile.cuh"
#include "kernels/simt/tensor_core.h"

namespace trifold::kernels::cuda {

/// Fragments of m16n8k8 in TF32: 16 x 8 of A and 8 x 16 of B (two neighbours), rounded to nearest
/// on the way from float32 slices. `g` and `t` are the lane's group and place in it, as in the PTX
/// manual's figures.
struct Tf32Fragments {
  using Element = float;
  static constexpr int depth = 8;

  /// A slice with depth innermost is read by ldmatrix, for which an 8 x 4 block of floats is an
  /// 8 x 8 block of half-words; one with rows innermost by plain loads.
  template <class Slice>
  static __device__ void load_a(const float* slice, int row, int k, std::uint32_t (&a)[4]) {
    const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
    if constexpr (Slice::innermost == Innermost::depth) {
      simt::ldmatrix_x4(a, slice + Slice::at(row + lane % 16, k + lane / 16 * 4));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        a[i] = __float_as_uint(slice[Slice::at(row + g + i % 2 * 8, k + t + i / 2 * 4)]);
    }
    round(a);
  }

  /// b[0..1] for columns column ... column + 7, b[2..3] for the eight after.
  template <class Slice>
  static __device__ void load_b(const float* slice, int column, int k, std::uint32_t (&b)[4]) {
    const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
    if constexpr (Slice::innermost == Innermost::depth) {
      simt::ldmatrix_x4(b,
                        slice + Slice::at(column + lane % 8 + lane / 16 * 8, k + lane / 8 % 2 * 4));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        b[i] = __float_as_uint(slice[Slice::at(column + g + i / 2 * 8, k + t + i % 2 * 4)]);
    }
    round(b);
  }

  static __device__ void multiply(const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                                  float (&sum)[4]) {
    simt::mma_m16n8k8_tf32(sum, a, b, sum);
  }

 private:
  /// To nearest, ties away from zero: the tensor core drops the low 13 bits. A NaN stays one: the
  /// addition could carry into its sign, and low bits may be all that it has, which cvt.rna.tf32
  /// would drop at the same cost.
  static __device__ void round(std::uint32_t (&bits)[4]) {
#pragma unroll
    for (std::uint32_t& b : bits) {
      const float value = __uint_as_float(b);
      b = value == value ? b + 0x1000u : 0x7fffffffu;
    }
  }
};

/// Fragments of m16n8k16 in bf16, all by ldmatrix: transposed where rows are innermost.
struct Bf16Fragments {
  using Element = __nv_bfloat16;
  static constexpr int depth = 16;

  template <class Slice>
  static __device__ void load_a(const Element* slice, int row, int k, std::uint32_t (&a)[4]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if constexpr (Slice::innermost == Innermost::depth) {
      simt::ldmatrix_x4(a, slice + Slice::at(row + lane % 16, k + lane / 16 * 8));
    } else {
      simt::ldmatrix_x4_trans(
          a, slice + Slice::at(row + lane / 8 % 2 * 8, k + lane % 8 + lane / 16 * 8));
    }
  }

  template <class Slice>
  static __device__ void load_b(const Element* slice, int column, int k, std::uint32_t (&b)[4]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if constexpr (Slice::innermost == Innermost::depth) {
      simt::ldmatrix_x4(b,
                        slice + Slice::at(column + lane % 8 + lane / 16 * 8, k + lane / 8 % 2 * 8));
    } else {
      simt::ldmatrix_x4_trans(b, slice + Slice::at(column + lane / 16 * 8, k + lane % 16));
    }
  }

  static __device__ void multiply(const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                                  float (&sum)[4]) {
    simt::mma_m16n8k16_bf16(sum, a, b, sum);
  }
};

/// Adds the products of 16 rows of A and of 16 columns of B, as load_b leaves them.
template <class Fragments>
__device__ void multiply_pair(const std::uint32_t (&a)[4], const std::uint32_t (&b)[4],
                              float (&left)[4], float (&right)[4]) {
  Fragments::multiply(a, {b[0], b[1]}, left);
  Fragments::multiply(a, {b[2], b[3]}, right);
}

/// Writes 16 rows of sums to a row-major matrix in shared memory. A lane holds pairs of columns.
template <int eights>
__device__ void store_sums(const float (&sum)[eights][4], float* matrix, int pitch) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int j = 0; j < eights; ++j) {
    float* to = matrix + lane / 4 * pitch + 8 * j + lane % 4 * 2;
    simt::st(to, make_float2(sum[j][0], sum[j][1]));
    simt::st(to + 8 * pitch, make_float2(sum[j][2], sum[j][3]));
  }
}

/// One warp's part of a tile of C. Each fragment that is loaded serves a row or a column of 16 x 8
/// products.
template <class Fragments, class Tile, class SliceA, class SliceB>
class TensorProduct {
 public:
  using Element = typename Fragments::Element;

  __device__ TensorProduct()
      : row_(static_cast<int>(threadIdx.x) / 32 / Tile::warp_columns * rows),
        column_(static_cast<int>(threadIdx.x) / 32 % Tile::warp_columns * columns) {}

  __device__ void multiply(const Element* a, const Element* b) {
#pragma unroll
    for (int k = 0; k < Tile::step; k += Fragments::depth) {
      std::uint32_t fa[rows / 16][4];
#pragma unroll
      for (int i = 0; i < rows / 16; ++i)
        Fragments::template load_a<SliceA>(a, row_ + 16 * i, k, fa[i]);
#pragma unroll
      for (int j = 0; j < columns / 16; ++j) {
        std::uint32_t fb[4];
        Fragments::template load_b<SliceB>(b, column_ + 16 * j, k, fb);
#pragma unroll
        for (int i = 0; i < rows / 16; ++i)
          multiply_pair<Fragments>(fa[i], fb, sum_[i][2 * j], sum_[i][2 * j + 1]);
      }
    }
  }

  /// Writes the sums to a row-major tile in shared memory.
  __device__ void store(float* tile, int pitch) const {
#pragma unroll
    for (int i = 0; i < rows / 16; ++i)
      store_sums(sum_[i], tile + (row_ + 16 * i) * pitch + column_, pitch);
  }

 private:
  static constexpr int rows = Tile::rows / Tile::warp_rows;
  static constexpr int columns = Tile::columns / Tile::warp_columns;
  static_assert(rows % 16 == 0 && columns % 16 == 0);

  int row_, column_;
  float sum_[rows / 16][columns / 8][4] = {};
};

}  // namespace trifold::kernels::cuda
