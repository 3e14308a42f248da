#include "kernels/cpu/conv2d_winograd.h"

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_tiles.h"

namespace trifold::kernels::cpu {
namespace {

/// Up to here, the tiles of all images are one block that the threads share.
constexpr std::int64_t kFewTiles = 64;

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
  WinogradGrid grid;
  Tiles tiles = cpu::tiles();
  WinogradTransforms transforms = winograd_transforms();
  Panels panels{s.k, tiles.lanes};
  std::int64_t filters = panels.padded();
  std::int64_t v_row, v_point, m_point;
  std::vector<std::int64_t> x_offset, y_offset;
  std::vector<float> bias, zeros;

  /// For blocks of at most `block` tiles, and of at most `channels` channels at a time.
  CorrelationSteps(const Correlation& correlation, const Source& from, const float* weights,
                   const Finish& finish_, float* to, const WinogradGrid& tiles_of,
                   std::int64_t block, std::int64_t channels)
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
    transform_patches(transforms, s, grid, WinogradTile(grid, first), count, source, zeros.data(),
                      begin, end, v, v_row, v_point);
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
    WinogradTile tile(grid, first);
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
  const WinogradGrid& grid = steps.grid;
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
  const std::int64_t most_channels = std::min(kWinogradChannels, round_up(s.c, tiles().lanes));
  const WinogradGrid grid(s, most_channels + filters);
  if (grid.tiles < kFewTiles) {
    correlate_few(ex, CorrelationSteps(s, source, u, finish, y, grid, grid.tiles, s.c));
  } else {
    correlate_blocks(ex,
                     CorrelationSteps(s, source, u, finish, y, grid, grid.block, most_channels));
  }
}

}  // namespace trifold::kernels::cpu
