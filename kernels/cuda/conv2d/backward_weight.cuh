/// Gradient of a convolution with respect to its filters: (r s c) x (n p q) pixels of x times
/// (n p q) x k of dy. The result is small and the depth long, so the depth is split into parts
/// (split-K), each summed by blocks of its own, and a second pass adds the parts in fixed order:
/// no atomics, and the same bits on every run and device.
#pragma once

#include <type_traits>

#include "kernels/cuda/conv2d/launch.cuh"
#include "kernels/cuda/conv2d/weight_parts.cuh"

namespace trifold::kernels::cuda {

/// Blocks that a multiprocessor should hold. In float32, with a norm and a deferred gradient,
/// the widest tile would spill registers at three.
template <class Math, class Tile, class Norm, class Gradient>
constexpr int weight_blocks =
    Tile::blocks == 3 && std::is_same_v<Math, Fp32> && !std::is_same_v<Norm, NoNorm> &&
            std::is_same_v<Gradient, DeferredGradient>
        ? 2
        : Tile::blocks;

/// A block computes one tile of one part: Tile::rows of (r, s, c) by Tile::columns filters. The
/// grid's second dimension counts the parts; part i is written to dw + i * r * s * c * k.
///
/// A deferred dy is evaluated by every tile that reads it, and kept by those of the first rows.
template <class Math, class Tile, class Norm, class Gradient>
__global__ void __launch_bounds__(Tile::threads, (weight_blocks<Math, Tile, Norm, Gradient>))
    backward_weight_kernel(Conv2dExtents e, std::int64_t steps_per_part,
                           const float* __restrict__ x, bool x_vectors, Norm norm,
                           Gradient gradient, float* __restrict__ dw, bool dw_vectors) {
  using Pixels = PixelOperand<Tile::rows, Tile::threads>;
  using A = WithNorm<Pixels, Norm>;
  using B = GradientOperand<Tile::columns, Gradient>;
  using Layout = cuda::Layout<Math, Tile, A, B>;
  SIMT_SHARED(float4, memory, [Layout::vectors]);

  const TileIndex<Tile> tile(e.k);
  const std::int64_t rows = static_cast<std::int64_t>(e.r) * e.s * e.c;
  const std::int64_t pixels = static_cast<std::int64_t>(e.n) * e.p * e.q;
  const std::int64_t first = blockIdx.y * steps_per_part * Tile::step;
  const std::int64_t steps = min(steps_per_part, (pixels - first + Tile::step - 1) / Tile::step);
  const auto product = multiply<Layout, Tile>(
      with_norm(Pixels(x, e, pitch_of(norm, e.c), tile.first_row, first, x_vectors), norm),
      gradient_operand<Tile::columns>(gradient, pixels, e.k, first, tile.first_column,
                                      tile.first_row == 0),
      steps, memory);
  write_tile<Layout, Tile>(
      product, memory, tile.target(dw + blockIdx.y * rows * e.k, rows, e.k, dw_vectors),
      [&](int row) -> std::int64_t {
        const std::int64_t at = tile.first_row + row;
        return at < rows ? at * e.k : -1;
      },
      PointwiseEpilogue{});
}

/// Launches the first pass, which leaves `parts`.
template <class Norm, class Gradient>
void backward_weight(const Exec& ex, const char* name, const Conv2dShape& s, const float* x,
                     bool x_vectors, const Norm& norm, const Gradient& gradient,
                     const WeightParts& parts) {
  const Conv2dExtents e = checked_extents(s);
  const std::int64_t rows = s.r * s.s * s.c;
  const Conv2dSplit& split = parts.split();
  float* target = parts.target();
  with_math(ex, [&](auto math) {
    with_tile(parts.tile(), [&](auto tile) {
      using Math = decltype(math);
      using Tile = decltype(tile);
      launch(ex, name, backward_weight_kernel<Math, Tile, Norm, Gradient>,
             dim3(TileIndex<Tile>::grid(rows, s.k), grid_extent(split.parts)), Tile::threads, e,
             split.steps_per_part, x, x_vectors, norm, gradient, target, is_vector(target, s.k));
    });
  });
}

}  // namespace trifold::kernels::cuda
