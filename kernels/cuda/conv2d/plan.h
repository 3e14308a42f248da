/// How the CUDA convolutions cut their work: the one place that chooses tiles and parts. By the
/// shape alone, so that results don't depend on the device, unless one lacks tensor cores or the
/// shared memory of a kernel (fused_backward.h). Plain C++, no CUDA.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "kernels/conv2d.h"

namespace trifold::kernels::cuda {

/// A convolution's extents in 32 bits, for cheap arithmetic on the device; offsets of elements are
/// always 64 bits wide.
struct Conv2dExtents {
  int n, h, w, c, k, r, s, stride_h, stride_w, pad_h, pad_w, p, q;
};

/// Throws ShapeError for what check() rejects, and for an extent of 2^29 or more.
Conv2dExtents checked_extents(const Conv2dShape& s);

/// Blocks as one dimension of a grid. Throws ShapeError above 2^31 - 1.
unsigned grid_extent(std::int64_t blocks);

/// The part of the product matrix that one block of threads computes: outputs down, filters across.
/// Few filters want narrow tiles, small problems small ones.
enum class Conv2dTile { r128c16, r128c32, r128c64, r64c32 };

inline constexpr std::array all_conv2d_tiles{Conv2dTile::r128c16, Conv2dTile::r128c32,
                                             Conv2dTile::r128c64, Conv2dTile::r64c32};

/// Outputs and filters of a tile, and of each of its threads in the CUDA-core kernels.
struct Conv2dTileExtents {
  std::int64_t rows, columns, thread_rows, thread_columns;
};
Conv2dTileExtents extents(Conv2dTile tile);

/// The tile of least expected time for a product matrix of rows x columns, unless one is forced.
///
/// A tile costs its area, padding included, times the memory reads of one multiply-add: 1, plus
/// 1/thread_rows + 1/thread_columns from shared memory, plus 8 (1/rows + 1/columns) for the copies
/// from global memory: with its address, the L2 cache and the store to shared memory, a copy is
/// estimated to cost as much as 8 reads. Blocks run in waves; fewer blocks than a large device has
/// room for cost as much as one wave, which is what makes small problems choose small tiles.
Conv2dTile choose_conv2d_tile(std::int64_t rows, std::int64_t columns);

/// The same for a product whose depth is split so that its blocks fill the device in any case.
Conv2dTile choose_conv2d_split_tile(std::int64_t rows, std::int64_t columns);

/// Forces one tile for the whole process, for tests and comparisons.
void force_conv2d_tile(Conv2dTile tile);

/// Back to the choice by shape.
void release_conv2d_tile();

/// Depth that one step of a tile consumes: reduction elements between two barriers.
constexpr std::int64_t conv2d_step = 16;

/// A reduction cut into equal parts, each a whole number of steps; the last may be shorter.
struct Conv2dSplit {
  std::int64_t parts, steps_per_part;
};

/// Parts for the weight gradient: a product matrix of rows x columns is small there, and the
/// reduction over all pixels is long. Each part leaves rows * columns floats, which are written and
/// read again, a quarter of dy's own floats where it has 8 rows pixels. So parts are that long
/// where this leaves a large device at least one block a multiprocessor, and shorter where it
/// doesn't; and there are no more than two blocks need. A part has 8 steps at least, so that what a
/// block does once, before and after them, is little; and all have 64 MiB at most, or are two.
Conv2dSplit split_conv2d_weight(std::int64_t rows, std::int64_t columns, std::int64_t pixels,
                                Conv2dTile tile);

/// The side of the squares of pixels that the fused backward pass works on, and its largest window.
constexpr int conv2d_square = 8, conv2d_fused_window = 3;

/// Squares of one of its tiles: two, or the one whose patch of so many filters shared memory holds.
constexpr int conv2d_fused_squares(int filters) { return filters > 32 ? 1 : 2; }

/// The fused backward pass of a convolution of few filters (fused_backward.cuh). A block
/// computes `channels` of c, with all k <= `filters`, over tiles of pixels; the blocks of one
/// part share its tiles.
struct Conv2dFusedBackward {
  int channels, filters;
  std::int64_t tiles_per_part, parts;
};

/// The plan of that kernel where it takes the shape, which is with unit stride, windows of up to
/// 3x3, up to 64 filters and up to 2^30 pixels.
std::optional<Conv2dFusedBackward> plan_conv2d_fused_backward(const Conv2dShape& s);

/// That plan where the kernel is expected to take less time than a sequence of them, or is forced.
///
/// In floats a pixel, the sequence moves 4 k + 3 c: dy is written and read once beside the two
/// arrays it is evaluated from, x twice, g once. The one kernel moves 2 k + 2 c, but each block
/// reads the patches of dy, with their halos, from the L2 cache, which is estimated, on the low
/// side, to be 1.6 times as fast as DRAM; no device has measured it yet. It multiplies with smaller
/// register tiles: on CUDA cores it is chosen only where 10 multiply-adds or less meet a byte of
/// DRAM, which an H100's data sheet has it do in the same time (67 TFLOP/s in float32, 3.35 TB/s):
/// then arithmetic isn't the bound.
std::optional<Conv2dFusedBackward> choose_conv2d_fused_backward(const Conv2dShape& s,
                                                                bool tensor_cores);

/// Has the kernel chosen wherever it takes the shape, or never, in the whole process: for tests and
/// comparisons.
void force_conv2d_fused_backward(bool chosen);

/// Back to the choice by shape.
void release_conv2d_fused_backward();

}  // namespace trifold::kernels::cuda
