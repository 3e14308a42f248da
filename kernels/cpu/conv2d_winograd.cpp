#include "kernels/cpu/conv2d_winograd.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_transforms.h"

namespace trifold::kernels::cpu {
namespace {

/// Channels that are transformed together, so that a block's matrices stay in a level 2 cache.
constexpr std::int64_t kChannels = 64;

std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

/// Up to here, the tiles of all images are one block that the threads share.
constexpr std::int64_t kFewTiles = 64;

/// Floats from a block's matrix to the next. A transform touches all 36 at once: an odd number of
/// cache lines between them spreads these accesses over all sets of the level 1 cache.
std::int64_t point_stride(std::int64_t matrix_floats) {
  constexpr std::int64_t line = 16;
  const std::int64_t lines = round_up(matrix_floats, line) / line;
  return (lines % 2 == 0 ? lines + 1 : lines) * line;
}

/// The tiles of all images in row order.
struct Grid {
  std::int64_t rows, columns, tiles, block;

  Grid(const Correlation& s, std::int64_t row_floats)
      : rows((s.p + winograd_tile - 1) / winograd_tile),
        columns((s.q + winograd_tile - 1) / winograd_tile),
        tiles(s.n * rows * columns),
        block(block_of(row_floats)) {}

  std::int64_t blocks() const { return (tiles + block - 1) / block; }

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
struct Tile {
  std::int64_t image, row, column;

  Tile(const Grid& grid, std::int64_t index)
      : image(index / (grid.rows * grid.columns)),
        row(index / grid.columns % grid.rows * winograd_tile),
        column(index % grid.columns * winograd_tile) {}

  void advance(const Grid& grid) {
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
/// While one is worked, the pixels of the next are on their way to the cache.
void transform_patches(const WinogradTransforms& transforms, const Correlation& s, const Grid& grid,
                       Tile tile, std::int64_t count, const Source& source, const float* zeros,
                       std::int64_t begin, std::int64_t end, float* v, std::int64_t v_row,
                       std::int64_t v_point) {
  const std::int64_t pitch = source.pitch(s);
  std::array<std::array<const float*, winograd_points>, 2> pixels;
  const auto locate = [&](std::int64_t t) {
    square<winograd_patch>(source.x + tile.image * s.h * s.w * pitch, s.h, s.w, s.w * pitch, pitch,
                           tile.row - s.pad_top, tile.column - s.pad_left, zeros,
                           pixels[static_cast<std::size_t>(t % 2)].data());
    tile.advance(grid);
  };
  locate(0);
  for (std::int64_t t = 0; t < count; ++t) {
    if (t + 1 < count) {
      locate(t + 1);
      for (const float* p : pixels[static_cast<std::size_t>((t + 1) % 2)]) {
        __builtin_prefetch(p + begin);
      }
    }
    const float* const* patch = pixels[static_cast<std::size_t>(t % 2)].data();
    if (source.norm != nullptr) {
      transforms.normalised_input(*source.norm, patch, zeros, begin, end, v + t * v_row, v_point);
    } else {
      transforms.input(patch, begin, end, v + t * v_row, v_point);
    }
  }
}

/// Rows of a matrix, as the register tiles want them.
std::vector<std::int64_t> row_offsets(std::int64_t rows, std::int64_t stride) {
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) offsets[static_cast<std::size_t>(i)] = i * stride;
  return offsets;
}

/// The three steps that lead some tiles from the source to y. A block's matrices of transformed
/// patches, v, and of products, m, lie v_point and m_point floats apart.
struct CorrelationSteps {
  const Correlation& s;
  const Source& source;
  const float* u;
  const Finish& finish;
  float* y;
  Grid grid;
  Tiles tiles = cpu::tiles();
  WinogradTransforms transforms = winograd_transforms();
  Panels panels{s.k, tiles.lanes};
  std::int64_t filters = panels.padded();
  std::int64_t v_row, v_point, m_point;
  std::vector<std::int64_t> x_offset, y_offset;
  std::vector<float> bias, zeros;

  /// For blocks of at most `block` tiles, and of at most `channels` channels at a time.
  CorrelationSteps(const Correlation& correlation, const Source& from, const float* weights,
                   const Finish& finish_, float* to, const Grid& tiles_of, std::int64_t block,
                   std::int64_t channels)
      : s(correlation),
        source(from),
        u(weights),
        finish(finish_),
        y(to),
        grid(tiles_of),
        v_row(round_up(channels, tiles.lanes)),
        v_point(point_stride(block * v_row)),
        m_point(point_stride(block * filters)),
        x_offset(row_offsets(block, v_row)),
        y_offset(row_offsets(block, filters)),
        bias(static_cast<std::size_t>(filters), 0.0f),
        zeros(static_cast<std::size_t>(std::max(s.c, filters)), 0.0f) {
    if (finish.b != nullptr) std::copy(finish.b, finish.b + s.k, bias.begin());
  }

  /// v = the transformed patches of `count` tiles, starting with `first`, for channels [begin, end).
  void transform(std::int64_t first, std::int64_t count, std::int64_t begin, std::int64_t end,
                 float* v) const {
    transform_patches(transforms, s, grid, Tile(grid, first), count, source, zeros.data(), begin,
                      end, v, v_row, v_point);
  }

  /// m = v u of one point and panel over channels [begin, end), added to m unless they are the
  /// first.
  void multiply(std::int64_t point, std::int64_t panel, std::int64_t count, std::int64_t begin,
                std::int64_t end, const float* v, float* m) const {
    const std::int64_t f = panels.begin(panel), width = panels.vectors(panel) * tiles.lanes;
    tiles.output({.x = v + point * v_point,
                  .x_offset = x_offset.data(),
                  .runs = 1,
                  .run_length = end - begin,
                  .run_stride = 0,
                  .w = u + point * s.c * filters + f * s.c + begin * width,
                  .b = zeros.data(),
                  .y = m + point * m_point + f,
                  .y_offset = y_offset.data(),
                  .pixels = count,
                  .vectors = panels.vectors(panel),
                  .filters = width,
                  .addend = begin > 0 ? m + point * m_point + f : nullptr,
                  .relu = false});
  }

  /// Transforms `count` tiles of m, starting with `first`, into pixels of y; `written`, unless null,
  /// is told where they lie.
  void write(std::int64_t first, std::int64_t count, const float* m,
             std::vector<std::int64_t>* written) const {
    std::array<float*, winograd_tile * winograd_tile> pixels;
    std::array<const float*, winograd_tile * winograd_tile> addends;
    Tile tile(grid, first);
    for (std::int64_t t = 0; t < count; ++t, tile.advance(grid)) {
      const std::int64_t image = tile.image * s.y_image;
      square<winograd_tile, float>(y + image, s.p, s.q, s.y_row, s.y_pixel, tile.row, tile.column,
                                   nullptr, pixels.data());
      if (finish.addend != nullptr) {
        square<winograd_tile, const float>(finish.addend + image, s.p, s.q, s.y_row, s.y_pixel,
                                           tile.row, tile.column, nullptr, addends.data());
      }
      transforms.output(m + t * filters, m_point, s.k, bias.data(),
                        finish.addend != nullptr ? addends.data() : nullptr, finish.relu,
                        pixels.data());
      if (written == nullptr) continue;
      for (const float* pixel : pixels) {
        if (pixel != nullptr) written->push_back(pixel - y);
      }
    }
  }
};

/// Many tiles: each thread leads blocks of them from beginning to end, in its own caches.
void correlate_blocks(const Exec& ex, const CorrelationSteps& steps) {
  const Correlation& s = steps.s;
  const Grid& grid = steps.grid;
  PartWork* const work = steps.finish.work;
  if (work != nullptr) work->expect(grid.blocks());
  parallel(ex, grid.blocks(), [&](std::int64_t begin, std::int64_t end) {
    thread_local Scratch scratch;
    float* const v = scratch.floats(winograd_points * (steps.v_point + steps.m_point));
    float* const m = v + winograd_points * steps.v_point;
    std::vector<std::int64_t> written;
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t first = block * grid.block;
      const std::int64_t count = std::min(grid.block, grid.tiles - first);
      for (std::int64_t c = 0; c < s.c; c += steps.v_row) {
        const std::int64_t c_end = std::min(c + steps.v_row, s.c);
        steps.transform(first, count, c, c_end, v);
        for (std::int64_t point = 0; point < winograd_points; ++point) {
          for (std::int64_t panel = 0; panel < steps.panels.count(); ++panel) {
            steps.multiply(point, panel, count, c, c_end, v, m);
          }
        }
      }
      steps.write(first, count, m, work != nullptr ? &written : nullptr);
      if (work != nullptr) work->take(block, steps.y, {written.data(), std::ssize(written)});
      written.clear();
    }
  });
}

/// Few tiles: the weights are more than the pixels, so that threads share the points, each reading
/// its part of the weights alone, and no tile is too small for the registers.
void correlate_few(const Exec& ex, const CorrelationSteps& steps) {
  const Correlation& s = steps.s;
  const std::int64_t count = steps.grid.tiles, panels = steps.panels.count();
  thread_local Scratch scratch;
  float* const v = scratch.floats(winograd_points * (steps.v_point + steps.m_point));
  float* const m = v + winograd_points * steps.v_point;
  parallel(ex, count, [&](std::int64_t begin, std::int64_t end) {
    steps.transform(begin, end - begin, 0, s.c, v + begin * steps.v_row);
  });
  parallel(ex, winograd_points * panels, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      steps.multiply(i / panels, i % panels, count, 0, s.c, v, m);
    }
  });
  PartWork* const work = steps.finish.work;
  if (work == nullptr) {
    parallel(ex, count, [&](std::int64_t begin, std::int64_t end) {
      steps.write(begin, end - begin, m + begin * steps.filters, nullptr);
    });
    return;
  }
  std::vector<std::int64_t> written;
  steps.write(0, count, m, &written);
  work->expect(1);
  work->take(0, steps.y, {written.data(), std::ssize(written)});
}

}  // namespace

std::int64_t winograd_weight_floats(std::int64_t channels, std::int64_t filters) {
  return winograd_points * channels * Panels{filters, tiles().lanes}.padded();
}

void winograd_transform_weights(const Exec& ex, std::int64_t channels, std::int64_t filters,
                                const WinogradWeights& w, float* u) {
  const WinogradTransforms transforms = winograd_transforms();
  const Panels panels{filters, transforms.lanes};
  const std::int64_t lanes = transforms.lanes, stride = channels * panels.padded();
  parallel(ex, channels, [&](std::int64_t begin, std::int64_t end) {
    thread_local Scratch scratch;
    float* const taps = scratch.floats(9 * lanes);
    for (std::int64_t c = begin; c < end; ++c) {
      for (std::int64_t f = 0; f < panels.padded(); f += lanes) {
        const std::int64_t count = std::min(lanes, panels.filters - f);
        const float* from = w.w + c * w.channel + f * w.filter;
        std::int64_t tap_stride = w.tap;
        if (w.filter != 1) {  // a vector needs its filters side by side
          for (std::int64_t tap = 0; tap < 9; ++tap) {
            for (std::int64_t i = 0; i < count; ++i) {
              taps[tap * lanes + i] = from[tap * w.tap + i * w.filter];
            }
          }
          from = taps;
          tap_stride = lanes;
        }
        const std::int64_t panel = f / (2 * lanes), first = panels.begin(panel);
        const std::int64_t width = panels.vectors(panel) * lanes;
        transforms.weight(from, tap_stride, count, u + first * channels + c * width + f - first,
                          stride);
      }
    }
  });
}

void winograd_correlate(const Exec& ex, const Correlation& s, const Source& source, const float* u,
                        const Finish& finish, float* y) {
  const std::int64_t filters = Panels{s.k, tiles().lanes}.padded();
  const std::int64_t most_channels = std::min(kChannels, round_up(s.c, tiles().lanes));
  const Grid grid(s, most_channels + filters);
  if (grid.tiles < kFewTiles) {
    correlate_few(ex, CorrelationSteps(s, source, u, finish, y, grid, grid.tiles, s.c));
  } else {
    correlate_blocks(ex,
                     CorrelationSteps(s, source, u, finish, y, grid, grid.block, most_channels));
  }
}

void winograd_backward_weight(const Exec& ex, const Correlation& s, const Source& source,
                              const float* dy, float* dw) {
  const Tiles tiles = cpu::tiles();
  const WinogradTransforms transforms = winograd_transforms();
  const Panels panels{s.k, tiles.lanes};
  const std::int64_t filters = panels.padded(), point_floats = s.c * filters;
  const std::vector<float> zeros(static_cast<std::size_t>(std::max(s.c, filters)), 0.0f);
  const std::int64_t most_channels = std::min(kChannels, round_up(s.c, tiles.lanes));
  const Grid grid(s, most_channels + filters);
  const std::int64_t v_point = point_stride(grid.block * most_channels);
  const std::int64_t z_point = point_stride(grid.block * filters);

  // Partial sums over parts of the tiles: by the shape alone, enough to share, few enough for their
  // sum to be cheap.
  constexpr std::int64_t most_parts = 16, most_floats = 1 << 20;
  const std::int64_t partial_floats = winograd_points * point_floats;
  const std::int64_t parts = std::min(
      {grid.blocks(), most_parts, std::max<std::int64_t>(2, most_floats / partial_floats)});
  thread_local Scratch partial_scratch;
  float* const partials = partial_scratch.floats(parts * partial_floats);

  parallel(ex, parts, [&](std::int64_t begin, std::int64_t end) {
    thread_local Scratch scratch;
    float* const v = scratch.floats(winograd_points * (v_point + z_point));
    float* const z = v + winograd_points * v_point;
    for (std::int64_t part = begin; part < end; ++part) {
      float* const partial = partials + part * partial_floats;
      std::fill(partial, partial + partial_floats, 0.0f);
      for (std::int64_t block = grid.blocks() * part / parts;
           block < grid.blocks() * (part + 1) / parts; ++block) {
        const std::int64_t first = block * grid.block;
        const std::int64_t count = std::min(grid.block, grid.tiles - first);
        std::array<const float*, winograd_tile * winograd_tile> pixels;
        Tile tile(grid, first);
        for (std::int64_t t = 0; t < count; ++t, tile.advance(grid)) {
          square<winograd_tile>(dy + tile.image * s.y_image, s.p, s.q, s.y_row, s.y_pixel, tile.row,
                                tile.column, zeros.data(), pixels.data());
          transforms.output_gradient(pixels.data(), s.k, z + t * filters, z_point);
        }
        for (std::int64_t c = 0; c < s.c; c += most_channels) {
          const std::int64_t channels = std::min(most_channels, s.c - c);
          transform_patches(transforms, s, grid, Tile(grid, first), count, source, zeros.data(), c,
                            c + channels, v, most_channels, v_point);
          for (std::int64_t point = 0; point < winograd_points; ++point) {
            for (std::int64_t panel = 0; panel < panels.count(); ++panel) {
              const std::int64_t f = panels.begin(panel);
              tiles.weight({.x = v + point * v_point,
                            .x_row = 0,
                            .x_pixel = most_channels,
                            .dy = z + point * z_point + f,
                            .dy_row = 0,
                            .dy_pixel = filters,
                            .rows = 1,
                            .pixels = count,
                            .run_length = channels,
                            .vectors = panels.vectors(panel),
                            .dw = partial + point * point_floats + c * filters + f,
                            .dw_stride = filters});
            }
          }
        }
      }
    }
  });
  parallel(ex, s.c, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      for (std::int64_t f = 0; f < s.k; f += tiles.lanes) {
        transforms.weight_gradient(partials + c * filters + f, point_floats, parts, partial_floats,
                                   s.k - f, dw + c * s.k + f, s.c * s.k);
      }
    }
  });
}

}  // namespace trifold::kernels::cpu
