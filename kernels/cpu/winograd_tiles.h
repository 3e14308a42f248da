/// How Winograd's algorithm cuts images into tiles and takes their patches.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/conv2d_panels.h"
#include "kernels/cpu/winograd_transforms.h"

namespace trifold::kernels::cpu {

/// Channels that are transformed together, so that a block's matrices stay in a level 2 cache.
constexpr std::int64_t kWinogradChannels = 64;

inline std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

/// Transformed weights of this many floats are more than a level 2 cache holds.
constexpr std::int64_t kWinogradWideFloats = 1 << 20;

/// Tiles of a group that one thread writes together.
constexpr std::int64_t kWinogradPart = 8;

/// The tiles of all images in row order.
struct WinogradGrid {
  std::int64_t rows, columns, tiles, block;

  WinogradGrid(const Correlation& s, std::int64_t row_floats)
      : rows((s.p + winograd_tile - 1) / winograd_tile),
        columns((s.q + winograd_tile - 1) / winograd_tile),
        tiles(s.n * rows * columns),
        block(block_of(row_floats)) {}

  std::int64_t blocks() const { return (tiles + block - 1) / block; }

  /// Tiles of a group whose matrices, of so many floats a tile and point, stay in a level 3 cache:
  /// whole parts, or all tiles.
  std::int64_t group_of(std::int64_t row_floats) const {
    constexpr std::int64_t cache_floats = 1 << 22, least = 64;
    const std::int64_t fitting =
        cache_floats / (winograd_points * row_floats) / kWinogradPart * kWinogradPart;
    return std::min(tiles, std::max(least, fitting));
  }

 private:
  // Enough tiles to fill the register tiles, few enough for the cache, and, where the tiles are
  // few, small enough to share. By the shape alone.
  std::int64_t block_of(std::int64_t row_floats) const {
    constexpr std::int64_t cache_floats = 3 << 15;
    const std::int64_t fitting =
        std::clamp<std::int64_t>(cache_floats / (winograd_points * row_floats) / 12 * 12, 12, 48);
    return std::clamp<std::int64_t>(tiles / 8, 1, fitting);
  }
};

/// A tile by its image and first output; moves through the tiles in order.
struct WinogradTile {
  std::int64_t image, row, column;

  WinogradTile(const WinogradGrid& grid, std::int64_t index)
      : image(index / (grid.rows * grid.columns)),
        row(index / grid.columns % grid.rows * winograd_tile),
        column(index % grid.columns * winograd_tile) {}

  void advance(const WinogradGrid& grid) {
    column += winograd_tile;
    if (column < grid.columns * winograd_tile) return;
    column = 0;
    row += winograd_tile;
    if (row < grid.rows * winograd_tile) return;
    row = 0;
    ++image;
  }
};

/// Pointers to the pixels [row, row + size) x [column, column + size) of an image, row by row;
/// `outside` for those that it does not have.
template <std::int64_t size, class Float>
void square(Float* image, std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
            std::int64_t pixel_stride, std::int64_t row, std::int64_t column, Float* outside,
            Float** pixels) {
  const std::int64_t begin = std::clamp<std::int64_t>(-column, 0, size);
  const std::int64_t end = std::clamp<std::int64_t>(columns - column, begin, size);
  for (std::int64_t i = 0; i < size; ++i, pixels += size) {
    if (row + i < 0 || row + i >= rows) {
      std::fill(pixels, pixels + size, outside);
      continue;
    }
    Float* const first = image + (row + i) * row_stride + column * pixel_stride;
    std::fill(pixels, pixels + begin, outside);
    for (std::int64_t j = begin; j < end; ++j) pixels[j] = first + j * pixel_stride;
    std::fill(pixels + end, pixels + size, outside);
  }
}

/// Transforms the input patches of `count` tiles, starting with `tile`, for channels [begin, end).
/// Channel c of tile t and point e goes to v + e v_point + t v_row + c - begin.
void transform_patches(const WinogradTransforms& transforms, const Correlation& s,
                       const WinogradGrid& grid, WinogradTile tile, std::int64_t count,
                       const Source& source, const float* zeros, std::int64_t begin,
                       std::int64_t end, float* v, std::int64_t v_row, std::int64_t v_point);

/// Transforms the gradients dy of the outputs of `count` tiles, starting with `tile`. Filter k of
/// tile t and point e goes to z + e z_point + t z_row + k.
void transform_gradients(const WinogradTransforms& transforms, const Correlation& s,
                         const WinogradGrid& grid, WinogradTile tile, std::int64_t count,
                         const float* dy, const float* zeros, float* z, std::int64_t z_row,
                         std::int64_t z_point);

/// dw (3,3,c,k) from the sum of `parts` transformed gradients: 36 matrices of c rows of the panels'
/// padded filters each, the parts following each other.
void finish_weight_gradient(const Exec& ex, const WinogradTransforms& transforms,
                            const Correlation& s, const float* sums, std::int64_t parts, float* dw);

}  // namespace trifold::kernels::cpu
