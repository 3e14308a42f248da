/// What the hosts of the convolution kernels share.
#pragma once

#include <cstdint>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/conv2d_plan.h"
#include "kernels/cuda/conv2d_product.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/exec.h"
#include "kernels/memory.h"

namespace trifold::kernels::cuda {

/// Whether rows of `length` floats from `p` on can be read as 16-byte vectors.
inline bool is_vector(const float* p, std::int64_t length) {
  return length % 4 == 0 && aligned({p});
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
struct TileIndex {
  std::int64_t first_row, first_column;

  __device__ explicit TileIndex(int columns) {
    const int across = (columns - 1) / Tile::columns + 1;
    first_row = static_cast<std::int64_t>(static_cast<int>(blockIdx.x) / across) * Tile::rows;
    first_column = static_cast<std::int64_t>(static_cast<int>(blockIdx.x) % across) * Tile::columns;
  }
  static unsigned grid(std::int64_t rows, std::int64_t columns) {
    return grid_extent(div_up(rows, Tile::rows) * div_up(columns, Tile::columns));
  }
};

}  // namespace trifold::kernels::cuda
