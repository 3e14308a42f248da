#include "bench/conv2d_work.h"

#include <algorithm>

#include "kernels/conv2d_phase.h"
#include "kernels/cuda/conv2d/plan.h"

namespace trifold::bench {
namespace {

using kernels::Conv2dShape;
using kernels::phase_of;
using namespace kernels::cuda;

std::int64_t div_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Multiply-adds of a product of matrices in whole tiles and steps.
double tiled_macs(Conv2dTile tile, std::int64_t rows, std::int64_t columns, std::int64_t depth) {
  const Conv2dTileExtents e = extents(tile);
  return static_cast<double>(div_up(rows, e.rows) * e.rows * div_up(columns, e.columns) *
                             e.columns) *
         static_cast<double>(div_up(depth, conv2d_step) * conv2d_step);
}

/// Places of one dimension of the input that a window reaches.
std::int64_t reached(std::int64_t extent, std::int64_t outputs, std::int64_t window,
                     std::int64_t stride, std::int64_t pad) {
  std::int64_t count = 0, next = 0;
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t first = std::max(next, o * stride - pad);
    const std::int64_t last = std::min(extent, o * stride - pad + window);
    count += std::max<std::int64_t>(0, last - first);
    next = std::max(next, last);
  }
  return count;
}

}  // namespace

std::int64_t input_pixels(const Conv2dShape& s) {
  return s.n * reached(s.h, s.p(), s.r, s.stride_h, s.pad_h) *
         reached(s.w, s.q(), s.s, s.stride_w, s.pad_w);
}

double least_macs(const Conv2dShape& s) {
  return static_cast<double>(s.y_size()) * static_cast<double>(s.r * s.s * s.c);
}

Conv2dWork forward_work(const Conv2dShape& s) {
  const std::int64_t rows = s.n * s.p() * s.q();
  const Conv2dTile tile = choose_conv2d_tile(rows, s.k);
  return {tiled_macs(tile, rows, s.k, s.r * s.s * s.c), div_up(rows, extents(tile).rows)};
}

Conv2dWork data_gradient_work(const Conv2dShape& s) {
  const std::int64_t rows = s.n * div_up(s.h, s.stride_h) * div_up(s.w, s.stride_w);
  const std::int64_t phases = s.stride_h * s.stride_w;
  const Conv2dTile tile = choose_conv2d_tile(rows * phases, s.c);
  double macs = 0;
  for (std::int64_t i = 0; i < s.stride_h; ++i) {
    for (std::int64_t j = 0; j < s.stride_w; ++j) {
      const auto down = phase_of(i, s.h, s.r, s.stride_h, s.pad_h);
      const auto across = phase_of(j, s.w, s.s, s.stride_w, s.pad_w);
      macs += tiled_macs(tile, s.n * down.count * across.count, s.c, down.taps * across.taps * s.k);
    }
  }
  return {macs, phases * div_up(rows, extents(tile).rows)};
}

Conv2dWork weight_gradient_work(const Conv2dShape& s) {
  const std::int64_t rows = s.r * s.s * s.c, pixels = s.n * s.p() * s.q();
  const Conv2dTile tile = choose_conv2d_split_tile(rows, s.k);
  return {tiled_macs(tile, rows, s.k, pixels), split_conv2d_weight(rows, s.k, pixels, tile).parts};
}

std::optional<Conv2dWork> fused_backward_work(const Conv2dShape& s, bool tensor_cores, bool both) {
  const std::optional<Conv2dFusedBackward> plan = choose_conv2d_fused_backward(s, tensor_cores);
  if (!plan) return std::nullopt;
  const std::int64_t squares = s.n * div_up(s.h, conv2d_square) * div_up(s.w, conv2d_square);
  const std::int64_t at_a_time = conv2d_fused_squares(plan->filters);
  const std::int64_t pixels =
      div_up(squares, at_a_time) * at_a_time * conv2d_square * conv2d_square;
  const std::int64_t channels = div_up(s.c, plan->channels) * plan->channels;
  const double macs =
      static_cast<double>(pixels * channels * plan->filters) * static_cast<double>(s.r * s.s);
  return Conv2dWork{both ? 2 * macs : macs, plan->parts};
}

}  // namespace trifold::bench
