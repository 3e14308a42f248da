/// The two products of the fused backward pass on tensor cores: see fused_fma.cuh.
#pragma once

#include <cstdint>

#include "kernels/cuda/conv2d/fused_tile.cuh"
#include "kernels/cuda/conv2d/mma.cuh"

namespace trifold::kernels::cuda {

/// Gradient of a line pair: 16 pixels by c channels, k in the depth.
template <class Fragments, class Layout, class Tile>
class TensorDataProduct {
 public:
  using Element = typename Layout::Element;

  __device__ void add(const Element* dy, const Element* filters) {
#pragma unroll
    for (int k = 0; k < Tile::k; k += Fragments::depth) {
      std::uint32_t rows[4];
      Fragments::template load_a<typename Layout::PatchRows>(dy, 0, k, rows);
#pragma unroll
      for (int j = 0; j < Tile::c / 16; ++j) {
        std::uint32_t columns[4];
        Fragments::template load_b<typename Layout::FilterRows>(filters, 16 * j, k, columns);
        multiply_pair<Fragments>(rows, columns, sum_[2 * j], sum_[2 * j + 1]);
      }
    }
  }

  __device__ void store(float* tile, int pitch) const { store_sums(sum_, tile, pitch); }

 private:
  float sum_[Tile::c / 8][4] = {};
};

/// Gradient of a tap's filters: c rows by k columns, pixels in the depth.
template <class Fragments, class Layout, class Tile>
class TensorWeightProduct {
 public:
  using Element = typename Layout::Element;

  __device__ void add(const Element* a, const Element* dy) {
#pragma unroll
    for (int pixel = 0; pixel < line_pair_pixels; pixel += Fragments::depth) {
      std::uint32_t rows[Tile::c / 16][4];
#pragma unroll
      for (int i = 0; i < Tile::c / 16; ++i)
        Fragments::template load_a<typename Layout::InputColumns>(a, 16 * i, pixel, rows[i]);
#pragma unroll
      for (int j = 0; j < Tile::k / 16; ++j) {
        std::uint32_t columns[4];
        Fragments::template load_b<typename Layout::PatchColumns>(dy, 16 * j, pixel, columns);
#pragma unroll
        for (int i = 0; i < Tile::c / 16; ++i)
          multiply_pair<Fragments>(rows[i], columns, sum_[i][2 * j], sum_[i][2 * j + 1]);
      }
    }
  }

  __device__ void store(float* matrix) const {
#pragma unroll
    for (int i = 0; i < Tile::c / 16; ++i) store_sums(sum_[i], matrix + 16 * i * Tile::k, Tile::k);
  }

 private:
  float sum_[Tile::c / 16][Tile::k / 8][4] = {};
};

}  // namespace trifold::kernels::cuda
