/// How the CUDA convolutions cut their work: the one place that chooses tiles and parts. By the
/// shape alone, so that results never depend on the device. Plain C++, no CUDA.
#pragma once

#include <array>
#include <cstdint>

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
/// from global memory. Blocks run in waves; fewer blocks than a large device has room for cost as
/// much as one wave, which is what makes small problems choose small tiles.
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
/// read again, a quarter of dy's own floats where it has 8 rows pixels. So parts are that long where
/// this leaves a large device at least one block a multiprocessor, and shorter where it doesn't; and
/// there are no more than two blocks need.
Conv2dSplit split_conv2d_weight(std::int64_t rows, std::int64_t columns, std::int64_t pixels,
                                Conv2dTile tile);

}  // namespace trifold::kernels::cuda
