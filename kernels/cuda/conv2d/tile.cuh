/// The tiles of the convolution kernels and how their operands lie in shared memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/conv2d/plan.h"
#include "kernels/simt/simt.h"

namespace trifold::kernels::cuda {

/// Every convolution here is a product C (rows x columns) = A (rows x depth) B (depth x columns)
/// whose operands are gathered on the way. A block of 128 threads computes one tile of C, `step`
/// of the depth at a time. thread_rows x thread_columns outputs belong to one thread on CUDA
/// cores; warp_rows x warp_columns warps share the tile on tensor cores.
template <int rows_, int columns_, int thread_rows_, int thread_columns_, int warp_columns_>
struct Tile {
  static constexpr int rows = rows_, columns = columns_;
  static constexpr int thread_rows = thread_rows_, thread_columns = thread_columns_;
  static constexpr int warp_columns = warp_columns_, warp_rows = 4 / warp_columns_;
  static constexpr int threads = 128;
  /// Blocks that a multiprocessor should hold: as many as its shared memory has room for (compute
  /// capability 8.0), so at most 168 or 128 registers a thread.
  static constexpr int blocks = thread_rows * thread_columns > 32 ? 3 : 4;
  static constexpr int step = conv2d_step;
  static_assert(rows * columns == threads * thread_rows * thread_columns);
};

/// Calls body(Tile<...>) for the tile of that name.
template <class Body>
void with_tile(Conv2dTile tile, const Body& body) {
  switch (tile) {
    case Conv2dTile::r128c16:
      return body(Tile<128, 16, 4, 4, 1>());
    case Conv2dTile::r128c32:
      return body(Tile<128, 32, 8, 4, 1>());
    case Conv2dTile::r128c64:
      return body(Tile<128, 64, 8, 8, 2>());
    case Conv2dTile::r64c32:
      return body(Tile<64, 32, 4, 4, 2>());
  }
}

/// Which index of an operand is contiguous in memory: the depth, or the row of A (column of B).
enum class Innermost { depth, outer };

/// One step of an operand in shared memory, in the order of global memory so that copies are
/// vectors. Lines along the innermost index are padded against conflicts of the 32 banks of 4
/// bytes:
///   float, depth innermost: pitch 20, so 16 bytes of each of 8 lines touch every bank once;
///   float, outer innermost: pitch 8 or 24 modulo 32, so 8 floats of each of 4 lines do;
///   bf16: pitch 12 (depth innermost) or 4 modulo 8 banks, so 16 bytes of each of 8 lines do.
template <class Element, Innermost innermost_, int extent_>
struct Slice {
  static constexpr Innermost innermost = innermost_;
  static constexpr int extent = extent_, step = conv2d_step;
  static constexpr int line = innermost == Innermost::depth ? step : extent;
  static constexpr int pitch =
      line + (sizeof(Element) == 4 && innermost == Innermost::depth ? 4 : 8);
  static constexpr int size = pitch * (extent * step / line);

  static __device__ int at(int outer, int depth) {
    return innermost == Innermost::depth ? outer * pitch + depth : depth * pitch + outer;
  }
};

/// The line that the threads of number `index` along their lines copy first, of `lines` that are
/// copied at a time. Eight neighbours go in bit-reversed order 0 4 2 6 1 5 3 7: with the pitches
/// above, two short lines in that order (float) or four (bf16) fill all banks when written.
inline __device__ int line_order(int index, int lines) {
  if (lines % 8 != 0) return index;
  return (index & ~7) | (index & 1) << 2 | (index & 2) | (index & 4) >> 2;
}

/// The vectors of `width` floats that this thread copies of a slice: a warp reads whole lines.
template <class Slice, int width, int threads>
struct Share {
  static constexpr int vectors_per_line = Slice::line / width;
  static constexpr int lines = threads / vectors_per_line;  ///< that are copied at a time
  static constexpr int vectors = Slice::extent * Slice::step / width;
  static constexpr int count = (vectors + threads - 1) / threads;
  static_assert(threads % vectors_per_line == 0, "a thread must keep its place along the line");

  static __device__ bool has(int i) {
    return vectors % threads == 0 || i * threads + static_cast<int>(threadIdx.x) < vectors;
  }
  static __device__ int along() { return static_cast<int>(threadIdx.x) % vectors_per_line * width; }
  static __device__ int across(int i) {
    return i * lines + line_order(static_cast<int>(threadIdx.x) / vectors_per_line, lines);
  }
  static __device__ int outer(int i) {
    return Slice::innermost == Innermost::depth ? across(i) : along();
  }
  static __device__ int depth(int i) {
    return Slice::innermost == Innermost::depth ? along() : across(i);
  }
};

}  // namespace trifold::kernels::cuda
