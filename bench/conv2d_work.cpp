#include "bench/conv2d_work.h"

#include <fmt/format.h>

#include "kernels/conv2d_phase.h"
#include "kernels/cuda/conv2d/plan.h"

namespace trifold::bench {
namespace {

using kernels::Conv2dShape;
using kernels::phase_of;
using namespace kernels::cuda;

std::int64_t div_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The tile's type, as kernels/cuda/conv2d/tile.cuh's with_tile has it.
const char* name_of(Conv2dTile tile) {
  switch (tile) {
    case Conv2dTile::r128c16:
      return "Tile<128, 16, 4, 4, 1>";
    case Conv2dTile::r128c32:
      return "Tile<128, 32, 8, 4, 1>";
    case Conv2dTile::r128c64:
      return "Tile<128, 64, 8, 8, 2>";
    case Conv2dTile::r64c32:
      break;
  }
  return "Tile<64, 32, 4, 4, 2>";
}

/// Adds a product of matrices in whole tiles and steps, its depth in so many parts.
void add_product(Conv2dWork& to, Conv2dTile tile, std::int64_t rows, std::int64_t columns,
                 std::int64_t depth, std::int64_t parts = 1) {
  constexpr double warps = 4;  // of a block
  const Conv2dTileExtents e = extents(tile);
  const auto blocks = static_cast<double>(div_up(rows, e.rows) * div_up(columns, e.columns));
  const auto steps = static_cast<double>(div_up(depth, conv2d_step));
  to.macs += blocks * static_cast<double>(e.rows * e.columns * conv2d_step) * steps;
  to.kernel.arguments = name_of(tile);
  to.kernel.blocks += blocks * static_cast<double>(parts);
  to.kernel.warps += warps * blocks * static_cast<double>(parts);
  to.kernel.turns += warps * blocks * steps;
}

}  // namespace

double least_macs(const Conv2dShape& s) {
  return static_cast<double>(s.y_size()) * static_cast<double>(s.r * s.s * s.c);
}

Conv2dWork forward_work(const Conv2dShape& s) {
  const std::int64_t rows = s.n * s.p() * s.q();
  const Conv2dTile tile = choose_conv2d_tile(rows, s.k);
  Conv2dWork work{0, div_up(rows, extents(tile).rows), {}};
  add_product(work, tile, rows, s.k, s.r * s.s * s.c);
  return work;
}

Conv2dWork data_gradient_work(const Conv2dShape& s) {
  const std::int64_t rows = s.n * div_up(s.h, s.stride_h) * div_up(s.w, s.stride_w);
  const std::int64_t phases = s.stride_h * s.stride_w;
  const Conv2dTile tile = choose_conv2d_tile(rows * phases, s.c);
  Conv2dWork work{0, phases * div_up(rows, extents(tile).rows), {}};
  for (std::int64_t i = 0; i < s.stride_h; ++i) {
    for (std::int64_t j = 0; j < s.stride_w; ++j) {
      const auto down = phase_of(i, s.h, s.r, s.stride_h, s.pad_h);
      const auto across = phase_of(j, s.w, s.s, s.stride_w, s.pad_w);
      add_product(work, tile, s.n * down.count * across.count, s.c, down.taps * across.taps * s.k);
    }
  }
  return work;
}

Conv2dWork weight_gradient_work(const Conv2dShape& s) {
  const std::int64_t rows = s.r * s.s * s.c, pixels = s.n * s.p() * s.q();
  const Conv2dTile tile = choose_conv2d_split_tile(rows, s.k);
  Conv2dWork work{0, split_conv2d_weight(rows, s.k, pixels, tile).parts, {}};
  add_product(work, tile, rows, s.k, pixels, work.parts);
  return work;
}

std::optional<Conv2dWork> fused_backward_work(const Conv2dShape& s, bool tensor_cores, bool both) {
  const std::optional<Conv2dFusedBackward> plan = choose_conv2d_fused_backward(s, tensor_cores);
  if (!plan) return std::nullopt;
  const std::int64_t squares = s.n * div_up(s.h, conv2d_square) * div_up(s.w, conv2d_square);
  const std::int64_t at_a_time = conv2d_fused_squares(plan->filters);
  constexpr std::int64_t line_pair = 2 * conv2d_square;
  constexpr double warps = conv2d_fused_window * conv2d_fused_window;  // of a block
  const std::int64_t pixels =
      div_up(squares, at_a_time) * at_a_time * conv2d_square * conv2d_square;
  const std::int64_t across = div_up(s.c, plan->channels), channels = across * plan->channels;
  const double macs =
      static_cast<double>(pixels * channels * plan->filters) * static_cast<double>(s.r * s.s);
  const auto blocks = static_cast<double>(plan->parts * across);
  return Conv2dWork{
      both ? 2 * macs : macs, plan->parts,
      Kernel{.function = {},
             .arguments = fmt::format("FusedTile<{}, {}>", plan->channels, plan->filters),
             .blocks = blocks,
             .warps = warps * blocks,
             .turns = static_cast<double>((both ? 2 : 1) * pixels / line_pair * across * s.r * s.s),
             .tiles = warps * static_cast<double>(div_up(squares, at_a_time) * across)}};
}

}  // namespace trifold::bench
