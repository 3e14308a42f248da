/// The tiles of the fused backward pass and how they lie in shared memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/conv2d/plan.h"
#include "kernels/cuda/conv2d/tile.cuh"

namespace trifold::kernels::cuda {

constexpr int square_side = conv2d_square, square_pixels = square_side * square_side;

/// A square and the halo of dy around it that windows of up to 3x3 reach.
constexpr int patch_side = square_side + conv2d_fused_window - 1;
constexpr int patch_pixels = patch_side * patch_side;

/// Two neighbouring lines of a square: the pixels of one tensor-core product.
constexpr int line_pair_pixels = 2 * square_side, line_pairs_per_square = square_side / 2;

/// Where a pixel of a line pair lies in a patch, relative to the line pair's first.
inline __device__ int patch_pixel(int pixel) {
  return pixel / square_side * patch_side + pixel % square_side;
}

/// A block of nine warps holds one tile at a time: `squares` squares of pixels by c channels, and
/// the patches of dy around them with k filters.
template <int c_, int k_>
struct FusedTile {
  static constexpr int c = c_, k = k_;
  static constexpr int squares = conv2d_fused_squares(k);
  static constexpr int pixels = squares * square_pixels,
                       line_pairs = squares * line_pairs_per_square;
  /// A warp for each tap of the largest window.
  static constexpr int warps = conv2d_fused_window * conv2d_fused_window, threads = 32 * warps;
  static_assert(line_pairs < warps, "a warp multiplies one line pair");
};

/// Calls body(FusedTile<...>()) for the tile of the plan.
template <class Body>
void with_fused_tile(const Conv2dFusedBackward& plan, const Body& body) {
  switch (plan.filters) {
    case 16:
      return plan.channels == 16 ? body(FusedTile<16, 16>()) : body(FusedTile<32, 16>());
    case 32:
      return body(FusedTile<16, 32>());
    default:
      return body(FusedTile<16, 64>());
  }
}

/// One matrix in shared memory, seen as an operand of a product as Slice is: rows of floats are
/// padded as there.
///   PatchRows, PatchColumns: a line pair of dy; the depth is the filter, or the pixel.
///   InputColumns: a line pair of a, with the pixel as depth.
///   FilterRows: the filters of a tap (c, k), with k as depth.
template <int pitch, Innermost innermost_>
struct PatchSlice {
  static constexpr Innermost innermost = innermost_;
  static __device__ int at(int outer, int depth) {
    return innermost == Innermost::depth ? patch_pixel(outer) * pitch + depth
                                         : patch_pixel(depth) * pitch + outer;
  }
};
template <int pitch, Innermost innermost_>
struct MatrixSlice {
  static constexpr Innermost innermost = innermost_;
  static __device__ int at(int outer, int depth) {
    return innermost == Innermost::depth ? outer * pitch + depth : depth * pitch + outer;
  }
};

/// What a block has in shared memory, in elements:
///   patches (squares, 10, 10, k), input (pixels, c) and filters (taps, c, k);
///   in the place of the first two, the tile of g in float32;
///   at the end, in the place of all, the weight gradients of the warps and the sums of the lanes.
template <class Element_, class Tile>
struct FusedLayout {
  using Element = Element_;
  static constexpr int pad = 16 / sizeof(Element);  ///< 16 bytes of 8 lines then touch all banks
  static constexpr int k_pitch = Tile::k + pad;
  static constexpr int c_pitch = Tile::c + 8;

  using PatchRows = PatchSlice<k_pitch, Innermost::depth>;
  using PatchColumns = PatchSlice<k_pitch, Innermost::outer>;
  using InputColumns = MatrixSlice<c_pitch, Innermost::outer>;
  using FilterRows = MatrixSlice<k_pitch, Innermost::depth>;

  static constexpr int patches = Tile::squares * patch_pixels * k_pitch;
  static constexpr int input = Tile::pixels * c_pitch;
  static constexpr int tap = Tile::c * k_pitch;  ///< filters of one tap

  static constexpr int g_pitch = Tile::c + 8;

  static constexpr std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
  static constexpr std::int64_t filters_at =
      larger((patches + input) * sizeof(Element), Tile::pixels* g_pitch * sizeof(float));
  static constexpr std::int64_t end_bytes = Tile::warps * Tile::c * Tile::k * sizeof(float);

  static std::int64_t bytes(std::int64_t taps) {
    return larger(filters_at + taps * tap * static_cast<std::int64_t>(sizeof(Element)), end_bytes);
  }
};

}  // namespace trifold::kernels::cuda
