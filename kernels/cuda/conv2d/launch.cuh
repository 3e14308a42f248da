/// What the hosts of the convolution kernels share.
#pragma once

#include <cstdint>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/conv2d/epilogue.cuh"
#include "kernels/cuda/conv2d/plan.h"
#include "kernels/cuda/vector.cuh"
#include "kernels/norm_conv2d.h"
#include "kernels/runtime/exec.h"
#include "kernels/runtime/memory.h"

namespace trifold::kernels::cuda {

/// Whether rows of `length` floats from `p` on can be read as 16-byte vectors.
inline bool is_vector(const float* p, std::int64_t length) {
  return length % 4 == 0 && aligned({p});
}

inline Norm norm_of(const InputNorm& norm, const Conv2dShape& s) {
  return {{norm.mean, norm.scale, norm.shift},
          norm.act == Activation::relu,
          to_int(kernels::pitch_of(norm, s))};
}

/// Whether four neighbouring channels of x and of its factors can be read as vectors.
inline bool has_vectors(const InputNorm& norm, const Conv2dShape& s, const float* x) {
  return is_vector(x, s.c) && norm.pitch % 4 == 0 && aligned({norm.mean, norm.scale, norm.shift});
}

/// Calls body(Math()) for the precision asked for, as far as the device has it.
template <class Body>
void with_math(const Exec& ex, const Body& body) {
  if (ex.precision == Precision::fp32 || !has_tensor_cores(ex.device)) return body(Fp32());
  if (ex.precision == Precision::tf32) return body(Tf32());
  return body(Bf16());
}

/// The index of a block's tile: columns fastest, so that the blocks that share rows of A run at a
/// time and find them in the L2 cache.
template <class Tile>
class TileIndex {
 public:
  std::int64_t first_row, first_column;

  __device__ explicit TileIndex(int columns) {
    const int tiles = across(columns), block = static_cast<int>(blockIdx.x);
    first_row = static_cast<std::int64_t>(block / tiles) * Tile::rows;
    first_column = static_cast<std::int64_t>(block % tiles) * Tile::columns;
  }
  /// Of a matrix of rows x columns.
  __device__ Target target(float* c, std::int64_t rows, int columns, bool vectors) const {
    const std::int64_t left = rows - first_row, tiles = gridDim.x / across(columns);
    return {.c = c,
            .first_column = first_column,
            .columns = columns,
            .vectors = vectors,
            .rows = static_cast<int>(left < Tile::rows ? left : Tile::rows),
            .part = blockIdx.y * tiles + first_row / Tile::rows};
  }

  static unsigned grid(std::int64_t rows, std::int64_t columns) {
    return grid_extent(div_up(rows, Tile::rows) * div_up(columns, Tile::columns));
  }

 private:
  static __device__ int across(int columns) { return (columns - 1) / Tile::columns + 1; }
};

}  // namespace trifold::kernels::cuda
