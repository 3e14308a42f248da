/// Gradient of a convolution with respect to its input, gathered: for each phase of the stride the
/// product of (n, rows, columns of the phase) x (taps k) windows over dy and (taps k) x c filters.
#pragma once

#include <type_traits>

#include "kernels/cuda/conv2d/launch.cuh"
#include "kernels/cuda/conv2d/sum_epilogues.cuh"

namespace trifold::kernels::cuda {

/// The grid of backward_data_kernel: tiles by phases.
struct PhaseGrid {
  std::int64_t rows;  ///< of the largest phase
  unsigned phases;

  explicit PhaseGrid(const Conv2dShape& s)
      : rows(s.n * div_up(s.h, s.stride_h) * div_up(s.w, s.stride_w)),
        phases(grid_extent(s.stride_h * s.stride_w)) {}
  Conv2dTile tile(const Conv2dShape& s) const { return choose_conv2d_tile(rows * phases, s.c); }
  /// Of one column, all phases together.
  std::int64_t tiles(const Conv2dShape& s) const {
    return phases * div_up(rows, extents(tile(s)).rows);
  }
};

/// A block computes one tile of one phase: Tile::rows input pixels by Tile::columns channels. The
/// grid's second dimension counts the phases.
template <class Math, class Tile, class Epilogue>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    backward_data_kernel(Conv2dExtents e, const float* __restrict__ dy, bool dy_vectors,
                         const float* __restrict__ w, bool w_vectors, Epilogue epilogue, float* dx,
                         bool dx_vectors) {
  using A = WindowOperand<Tile::rows>;
  using B = FlippedFilterOperand<Tile::columns>;
  using Layout = cuda::Layout<Math, Tile, A, B>;
  SIMT_SHARED(Window, windows, [Tile::rows]);
  SIMT_SHARED(std::int64_t, targets, [Tile::rows]);  // offsets in C, negative past its last row
  SIMT_SHARED(float4, memory, [Layout::vectors]);

  const int phase = static_cast<int>(blockIdx.y);
  const Phase down = phase_of(phase / e.stride_w, e.h, e.r, e.stride_h, e.pad_h);
  const Phase across = phase_of(phase % e.stride_w, e.w, e.s, e.stride_w, e.pad_w);
  const std::int64_t rows = static_cast<std::int64_t>(e.n) * down.count * across.count;
  const TileIndex<Tile> tile(e.c);
  const Target to = tile.target(dx, rows, e.c, dx_vectors);
  if (tile.first_row >= rows) {  // the whole block: phases differ in size
    if constexpr (!std::is_same_v<Epilogue, PointwiseEpilogue>) leave_nothing<Tile>(epilogue, to);
    return;
  }

  for (int row = static_cast<int>(threadIdx.x); row < Tile::rows; row += Tile::threads) {
    const std::int64_t pixel = tile.first_row + row;
    Window window{0, outside, outside};
    std::int64_t target = -1;
    if (pixel < rows) {
      const std::int64_t line = pixel / across.count, image = line / down.count;
      const int i = static_cast<int>(line % down.count);
      const int j = static_cast<int>(pixel % across.count);
      window.i = i - down.pad;
      window.j = j - across.pad;
      window.source = ((image * e.p + window.i) * e.q + window.j) * e.k;
      target = ((image * e.h + down.first + static_cast<std::int64_t>(i) * e.stride_h) * e.w +
                across.first + static_cast<std::int64_t>(j) * e.stride_w) *
               e.c;
    }
    simt::st(windows + row, window);
    targets[row] = target;
  }
  __syncthreads();

  // A phase that no window reaches has depth 0 and gradient 0.
  const std::int64_t depth = static_cast<std::int64_t>(down.taps) * across.taps * e.k;
  const auto product =
      multiply<Layout, Tile>(A(dy, e.p, e.q, e.k, e.k, down.taps, across.taps, windows, dy_vectors),
                             B(w, e, down, across, tile.first_column, w_vectors),
                             (depth + Tile::step - 1) / Tile::step, memory);
  write_tile<Layout, Tile>(
      product, memory, to, [&](int row) { return targets[row]; }, epilogue);
}

/// `dx_vectors` speaks of rows of dx and of what the epilogue reads beside it.
template <class Epilogue>
void backward_data(const Exec& ex, const char* name, const Conv2dShape& s, const PhaseGrid& grid,
                   const float* dy, const float* w, const Epilogue& epilogue, float* dx,
                   bool dx_vectors) {
  const Conv2dExtents e = checked_extents(s);
  with_math(ex, [&](auto math) {
    with_tile(grid.tile(s), [&](auto tile) {
      using Math = decltype(math);
      using Tile = decltype(tile);
      launch(ex, name, backward_data_kernel<Math, Tile, Epilogue>,
             dim3(TileIndex<Tile>::grid(grid.rows, s.c), grid.phases), Tile::threads, e, dy,
             is_vector(dy, s.k), w, is_vector(w, s.k), epilogue, dx, dx_vectors);
    });
  });
}

/// dx = gradient + added, which may be null, or dx.
void backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                   const float* added, float* dx);

}  // namespace trifold::kernels::cuda
