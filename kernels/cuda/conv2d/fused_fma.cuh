/// The two products of the fused backward pass on CUDA cores, in float32. A warp adds up one of
/// each: the data gradient of a line pair over all taps, and the weight gradient of a tap over line
/// pairs.
#pragma once

#include "kernels/cuda/conv2d/fused_tile.cuh"
#include "kernels/cuda/vector.cuh"

namespace trifold::kernels::cuda {

/// Gradient of a line pair's pixels by c channels. A lane has four spaced pixels by c / 8 spaced
/// channels, so that a warp reads four lines of dy and eight of the filters at a time.
template <class Layout, class Tile>
class FloatDataProduct {
 public:
  /// Of one tap: dy from the line pair's first pixel on, shifted by the tap, and the tap's filters.
  __device__ void add(const float* dy, const float* filters) {
#pragma unroll 1
    for (int k = 0; k < Tile::k; k += 4) {
      Floats<4> rows[pixels], columns[channels];
#pragma unroll
      for (int i = 0; i < pixels; ++i) rows[i] = load<4>(dy + Layout::PatchRows::at(pixel(i), k));
#pragma unroll
      for (int j = 0; j < channels; ++j)
        columns[j] = load<4>(filters + Layout::FilterRows::at(channel(j), k));
#pragma unroll
      for (int d = 0; d < 4; ++d)
#pragma unroll
        for (int i = 0; i < pixels; ++i)
#pragma unroll
          for (int j = 0; j < channels; ++j)
            sum_[i][j] = fmaf(rows[i].v[d], columns[j].v[d], sum_[i][j]);
    }
  }

  /// Writes the sums to the line pair's rows of a tile.
  __device__ void store(float* tile, int pitch) const {
#pragma unroll
    for (int i = 0; i < pixels; ++i)
#pragma unroll
      for (int j = 0; j < channels; ++j) tile[pixel(i) * pitch + channel(j)] = sum_[i][j];
  }

 private:
  static constexpr int across = 8, down = 32 / across;
  static constexpr int pixels = line_pair_pixels / down, channels = Tile::c / across;

  static __device__ int pixel(int i) {
    return i * down + static_cast<int>(threadIdx.x) % 32 / across;
  }
  static __device__ int channel(int j) {
    return j * across + static_cast<int>(threadIdx.x) % across;
  }

  float sum_[pixels][channels] = {};
};

/// Gradient of a tap's filters (c, k). A lane has four channels by runs of four filters; where
/// that leaves lanes over, `copies` of them share the pixels.
template <class Layout, class Tile>
class FloatWeightProduct {
 public:
  /// Of one line pair: a, and dy shifted by the tap.
  __device__ void add(const float* a, const float* dy) {
#pragma unroll 1  // registers are short
    for (int pixel = copy(); pixel < line_pair_pixels; pixel += copies) {
      const Floats<4> rows = load<4>(a + Layout::InputColumns::at(channel(), pixel));
#pragma unroll
      for (int j = 0; j < runs; ++j) {
        const Floats<4> columns = load<4>(dy + Layout::PatchColumns::at(filter(j), pixel));
#pragma unroll
        for (int i = 0; i < 4; ++i) add_product(sum_[i][j], rows.v[i], columns);
      }
    }
  }

  /// Writes the sums to a matrix (c, k).
  __device__ void store(float* matrix) const {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < runs; ++j) {
        Floats<4> sum = sum_[i][j];
        if constexpr (copies == 2) {
          for (float& v : sum.v) v += __shfl_xor_sync(0xffffffffu, v, lanes);
        }
        if (copy() == 0) cuda::store(matrix + (channel() + i) * Tile::k + filter(j), sum);
      }
  }

 private:
  static constexpr int down = Tile::c / 4;
  static constexpr int across = 32 / down < Tile::k / 4 ? 32 / down : Tile::k / 4;
  static constexpr int lanes = down * across, copies = 32 / lanes;
  static constexpr int runs = Tile::k / 4 / across;
  static_assert(copies == 1 || copies == 2);

  static __device__ int lane() { return static_cast<int>(threadIdx.x) % lanes; }
  static __device__ int copy() { return static_cast<int>(threadIdx.x) % 32 / lanes; }
  static __device__ int channel() { return lane() / across * 4; }
  static __device__ int filter(int j) { return (j * across + lane() % across) * 4; }

  Floats<4> sum_[4][runs] = {};
};

}  // namespace trifold::kernels::cuda
