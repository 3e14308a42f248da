#include "kernels/cuda/conv2d/plan.h"

#include <algorithm>
#include <atomic>
#include <limits>

#include "kernels/runtime/error.h"

namespace trifold::kernels::cuda {
namespace {

/// Blocks that a large device runs at a time: two on each of 132 multiprocessors.
constexpr std::int64_t wave = 264;

std::int64_t div_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

constexpr int unforced = -1;
std::atomic<int> forced{unforced}, forced_fused_backward{unforced};

std::int64_t blocks_of(const Conv2dTileExtents& e, std::int64_t rows, std::int64_t columns) {
  return div_up(rows, e.rows) * div_up(columns, e.columns);
}

double cost_of(const Conv2dTileExtents& e, std::int64_t blocks) {
  const auto inverse = [](std::int64_t extent) { return 1.0 / static_cast<double>(extent); };
  const double reads = 1 + inverse(e.thread_rows) + inverse(e.thread_columns) +
                       8 * (inverse(e.rows) + inverse(e.columns));
  return static_cast<double>(blocks * e.rows * e.columns) * reads;
}

Conv2dTile cheapest(std::int64_t rows, std::int64_t columns, std::int64_t least_blocks) {
  if (const int tile = forced.load(); tile != unforced) return static_cast<Conv2dTile>(tile);
  const auto cost = [&](Conv2dTile tile) {
    const Conv2dTileExtents e = extents(tile);
    return cost_of(e, std::max(least_blocks, blocks_of(e, rows, columns)));
  };
  return *std::min_element(all_conv2d_tiles.begin(), all_conv2d_tiles.end(),
                           [&](Conv2dTile a, Conv2dTile b) { return cost(a) < cost(b); });
}

}  // namespace

Conv2dExtents checked_extents(const Conv2dShape& s) {
  check(s);
  const auto narrow = [](std::int64_t extent) {
    require<ShapeError>(extent < std::int64_t{1} << 29,
                        "a convolution on a CUDA device has an extent of {}, but each must be "
                        "below 2^29; make it smaller",
                        extent);
    return static_cast<int>(extent);
  };
  return {.n = narrow(s.n),
          .h = narrow(s.h),
          .w = narrow(s.w),
          .c = narrow(s.c),
          .k = narrow(s.k),
          .r = narrow(s.r),
          .s = narrow(s.s),
          .stride_h = narrow(s.stride_h),
          .stride_w = narrow(s.stride_w),
          .pad_h = narrow(s.pad_h),
          .pad_w = narrow(s.pad_w),
          .p = narrow(s.p()),
          .q = narrow(s.q())};
}

unsigned grid_extent(std::int64_t blocks) {
  require<ShapeError>(blocks <= std::numeric_limits<std::int32_t>::max(),
                      "a CUDA kernel needs {} blocks, more than a grid can have; make the batch "
                      "smaller",
                      blocks);
  return static_cast<unsigned>(blocks);
}

Conv2dTileExtents extents(Conv2dTile tile) {
  switch (tile) {
    case Conv2dTile::r128c16:
      return {128, 16, 4, 4};
    case Conv2dTile::r128c32:
      return {128, 32, 8, 4};
    case Conv2dTile::r128c64:
      return {128, 64, 8, 8};
    case Conv2dTile::r64c32:
      break;
  }
  return {64, 32, 4, 4};
}

Conv2dTile choose_conv2d_tile(std::int64_t rows, std::int64_t columns) {
  return cheapest(rows, columns, wave);
}

Conv2dTile choose_conv2d_split_tile(std::int64_t rows, std::int64_t columns) {
  return cheapest(rows, columns, 1);
}

void force_conv2d_tile(Conv2dTile tile) { forced.store(static_cast<int>(tile)); }

void release_conv2d_tile() { forced.store(unforced); }

Conv2dSplit split_conv2d_weight(std::int64_t rows, std::int64_t columns, std::int64_t pixels,
                                Conv2dTile tile) {
  constexpr std::int64_t least_steps = 8, most_floats = std::int64_t{1} << 24;
  constexpr std::int64_t cheap_pixels = 8;  // a row of the product
  const std::int64_t steps = div_up(pixels, conv2d_step);
  const std::int64_t blocks = blocks_of(extents(tile), rows, columns);
  const std::int64_t wanted =
      std::clamp(pixels / (cheap_pixels * rows), div_up(wave / 2, blocks), div_up(wave, blocks));
  const std::int64_t fitting = std::max<std::int64_t>(2, most_floats / (rows * columns));
  const std::int64_t parts = std::min({wanted, div_up(steps, least_steps), fitting});
  const std::int64_t steps_per_part = div_up(steps, parts);
  return {.parts = div_up(steps, steps_per_part), .steps_per_part = steps_per_part};
}

std::optional<Conv2dFusedBackward> plan_conv2d_fused_backward(const Conv2dShape& s) {
  constexpr std::int64_t most_pixels = std::int64_t{1} << 30;
  constexpr std::int64_t least_tiles = 2;  // worth a part's gradient of the filters
  constexpr std::int64_t most_tiles = 64;  // whose sums in float32 stay exact enough
  if (s.stride_h != 1 || s.stride_w != 1 || s.k > 64 || std::max(s.r, s.s) > conv2d_fused_window ||
      s.n * std::max(s.h * s.w, s.p() * s.q()) > most_pixels) {
    return std::nullopt;
  }
  const int filters = s.k <= 16 ? 16 : s.k <= 32 ? 32 : 64;
  const int channels = s.c > 16 && filters == 16 ? 32 : 16;
  const std::int64_t squares = s.n * div_up(s.h, conv2d_square) * div_up(s.w, conv2d_square);
  const std::int64_t tiles = div_up(squares, conv2d_fused_squares(filters));
  const std::int64_t wanted = div_up(wave, div_up(s.c, channels));
  const std::int64_t tiles_per_part =
      std::min(most_tiles, std::max(least_tiles, div_up(tiles, wanted)));
  return Conv2dFusedBackward{.channels = channels,
                             .filters = filters,
                             .tiles_per_part = tiles_per_part,
                             .parts = div_up(tiles, tiles_per_part)};
}

std::optional<Conv2dFusedBackward> choose_conv2d_fused_backward(const Conv2dShape& s,
                                                                bool tensor_cores) {
  const std::optional<Conv2dFusedBackward> plan = plan_conv2d_fused_backward(s);
  if (!plan || forced_fused_backward.load() == 0) return std::nullopt;
  if (forced_fused_backward.load() != unforced) return plan;
  constexpr double cache_speed = 1.6, multiply_adds_per_byte = 10;
  constexpr double halo = (conv2d_square + conv2d_fused_window - 1) / double{conv2d_square};
  const auto k = static_cast<double>(s.k), c = static_cast<double>(s.c);
  const auto blocks = static_cast<double>(div_up(s.c, plan->channels));
  const double moved = 2 * k + 2 * c, cached = blocks * 2 * k * halo * halo + 3 * c;
  const bool saves = std::max(moved, cached / cache_speed) < 4 * k + 3 * c;
  const double multiply_adds = 2 * static_cast<double>(s.r * s.s) * k * c;
  const bool bound_by_memory = multiply_adds <= multiply_adds_per_byte * sizeof(float) * moved;
  return saves && (tensor_cores || bound_by_memory) ? plan : std::nullopt;
}

void force_conv2d_fused_backward(bool chosen) { forced_fused_backward.store(chosen ? 1 : 0); }

void release_conv2d_fused_backward() { forced_fused_backward.store(unforced); }

}  // namespace trifold::kernels::cuda
