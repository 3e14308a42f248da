/// A block's tile from its threads to C.
#pragma once

#include <cstdint>

#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/conv2d/product.cuh"

namespace trifold::kernels::cuda {

/// Where a tile of C goes. An epilogue is what is done to it before it is stored.
struct Target {
  float* c;
  std::int64_t first_column;
  int columns;
  bool vectors;           ///< rows of c, and of arrays like it, are 16-byte vectors
  int rows = 0;           ///< of the tile that C has, its first ones: for epilogues that sum up
  std::int64_t part = 0;  ///< number of the tile among those of its columns, for the same
};

/// The epilogue c = act(sums + bias + added).
struct PointwiseEpilogue {
  const float* bias = nullptr;   ///< one a column, or null
  const float* added = nullptr;  ///< as c, or null; may be c itself
  bool relu = false;
};

__device__ inline float activate(float value, bool relu) { return relu ? relu_of(value) : value; }

/// Writes a tile in shared memory to C, `width` columns a thread and whole rows a warp. offset(row)
/// is the place of a tile's row in C, negative for none.
template <class Tile, int width, class Offset>
__device__ void write_rows(const float* tile, int pitch, const Target& to, const Offset& offset,
                           const PointwiseEpilogue& f) {
  constexpr int line = Tile::columns / width;
  const int across = static_cast<int>(threadIdx.x) % line * width;
  const std::int64_t column = to.first_column + across;
  if (column >= to.columns) return;
  float bias[width] = {};
  if (f.bias != nullptr)
    for (int i = 0; i < width; ++i) bias[i] = f.bias[column + i];
  for (int row = static_cast<int>(threadIdx.x) / line; row < Tile::rows;
       row += Tile::threads / line) {
    const std::int64_t first = offset(row);
    if (first < 0) continue;
    const std::int64_t at = first + column;
    const float* sums = tile + row * pitch + across;
    if constexpr (width == 4) {
      // Indices of vectors, which show the compiler that the addresses are aligned.
      auto v = simt::ld<float4>(sums);
      v.x += bias[0], v.y += bias[1], v.z += bias[2], v.w += bias[3];
      if (f.added != nullptr) {
        const auto a = simt::ld<float4>(reinterpret_cast<const float4*>(f.added) + at / 4);
        v.x += a.x, v.y += a.y, v.z += a.z, v.w += a.w;
      }
      simt::st(reinterpret_cast<float4*>(to.c) + at / 4,
               make_float4(activate(v.x, f.relu), activate(v.y, f.relu), activate(v.z, f.relu),
                           activate(v.w, f.relu)));
    } else {
      float v = *sums + bias[0];
      if (f.added != nullptr) v += f.added[at];
      to.c[at] = activate(v, f.relu);
    }
  }
}

/// Writes a block's product to C through shared memory, so that writes are vectors along the rows
/// of C whatever order the sums are held in.
template <class Layout, class Tile, class Offset, class Epilogue>
__device__ void write_tile(const typename Layout::Product& product, float4* memory,
                           const Target& to, const Offset& offset, const Epilogue& epilogue) {
  auto* tile = reinterpret_cast<float*>(memory);
  product.store(tile, Layout::tile_pitch);
  __syncthreads();
  if (to.vectors) {
    write_rows<Tile, 4>(tile, Layout::tile_pitch, to, offset, epilogue);
  } else {
    write_rows<Tile, 1>(tile, Layout::tile_pitch, to, offset, epilogue);
  }
}

}  // namespace trifold::kernels::cuda
