#include "kernels/cpu/conv2d_winograd.h"

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_tiles.h"

namespace trifold::kernels::cpu {
namespace {

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
  std::int64_t v_row, m_row, v_point, m_point;
  std::vector<std::int64_t> x_offset, y_offset;
  std::vector<float> bias, zeros;

  /// For blocks of at most `block` tiles, whose rows of v and m are that many floats apart.
  CorrelationSteps(const Correlation& correlation, const Source& from, const float* weights,
                   const Finish& finish_, float* to, const WinogradGrid& tiles_of,
                   std::int64_t block, std::int64_t v_row_floats, std::int64_t m_row_floats)
      : s(correlation),
        source(from),
        u(weights),
        finish(finish_),
        y(to),
        grid(tiles_of),
        v_row(v_row_floats),
        m_row(m_row_floats),
        v_point(odd_lines(block * v_row)),
        m_point(odd_lines(block * m_row)),
        x_offset(row_offsets(block, v_row)),
        y_offset(row_offsets(block, m_row)),
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
      transforms.output(m + t * m_row, m_point, s.k, bias.data(),
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

/// More weights than pixels: threads share the points of a large group of tiles, each reading its
/// part of the weights alone and once a group, and no tile is too small for the registers.
void correlate_groups(const Exec& ex, const CorrelationSteps& steps, std::int64_t group) {
  const WinogradGrid& grid = steps.grid;
  const std::int64_t panels = steps.panels.count();
  PartWork* const work = steps.finish.work;
  if (work != nullptr) work->expect((grid.tiles + kWinogradPart - 1) / kWinogradPart);
  thread_local Scratch scratch;
  float* const v = scratch.floats(winograd_points * (steps.v_point + steps.m_point));
  float* const m = v + winograd_points * steps.v_point;
  for (std::int64_t first = 0; first < grid.tiles; first += group) {
    const std::int64_t count = std::min(group, grid.tiles - first);
    parallel(ex, count, [&](std::int64_t begin, std::int64_t end) {
      steps.transform(first + begin, end - begin, 0, steps.s.c, v + begin * steps.v_row);
    });
    parallel(ex, winograd_points * panels, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        steps.multiply(i / panels, i % panels, count, 0, steps.s.c, v, m);
      }
    });
    parallel(ex, (count + kWinogradPart - 1) / kWinogradPart,
             [&](std::int64_t begin, std::int64_t end) {
               std::vector<std::int64_t> written;
               for (std::int64_t from = begin * kWinogradPart;
                    from < std::min(end * kWinogradPart, count); from += kWinogradPart) {
                 steps.write(first + from, std::min(kWinogradPart, count - from),
                             m + from * steps.m_row, work != nullptr ? &written : nullptr);
                 if (work == nullptr) continue;
                 work->take((first + from) / kWinogradPart, steps.y,
                            {written.data(), std::ssize(written)});
                 written.clear();
               }
             });
  }
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
  // Channels within a vector of filters, so that lines of strided filters serve their neighbours.
  constexpr std::int64_t most_channels = 64;
  const std::int64_t slices = (channels + most_channels - 1) / most_channels;
  parallel(ex, panels.padded() / lanes * slices, [&](std::int64_t begin, std::int64_t end) {
    thread_local Scratch scratch;
    float* const taps = scratch.floats(9 * lanes);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t f = task / slices * lanes, first_c = task % slices * most_channels;
      const std::int64_t count = std::min(lanes, panels.filters - f);
      const std::int64_t panel = f / (2 * lanes), first = panels.begin(panel);
      const std::int64_t width = panels.vectors(panel) * lanes;
      for (std::int64_t c = first_c; c < std::min(first_c + most_channels, channels); ++c) {
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
  // Weights that are more than what they work on, or more than a level 2 cache.
  if (s.c * filters > grid.tiles * (s.c + filters) ||
      winograd_points * s.c * filters > kWinogradWideFloats) {
    const std::int64_t v_row = odd_lines(s.c), m_row = odd_lines(filters);
    const std::int64_t group = grid.group_of(v_row + m_row);
    correlate_groups(ex, CorrelationSteps(s, source, u, finish, y, grid, group, v_row, m_row),
                     group);
  } else {
    correlate_blocks(
        ex, CorrelationSteps(s, source, u, finish, y, grid, grid.block, most_channels, filters));
  }
}

}  // namespace trifold::kernels::cpu
