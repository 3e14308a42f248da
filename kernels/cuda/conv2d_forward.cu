/// Convolution, with what follows it, as an implicit product: (n p q) x (r s c) windows times
/// (r s c) x k filters.
///
/// Bound by memory for the narrow layers of CIFAR networks (an input is read from DRAM once, its
/// taps come from the caches), by arithmetic from about 64 channels on.
#include "kernels/backends.h"
#include "kernels/cuda/conv2d_launch.cuh"

namespace trifold::kernels::cuda {
namespace {

/// A block computes one tile: Tile::rows output pixels by Tile::columns filters.
template <class Math, class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    forward_kernel(Conv2dExtents e, const float* __restrict__ x, bool x_vectors,
                   const float* __restrict__ w, bool w_vectors, const float* __restrict__ bias,
                   const float* residual, bool relu, float* y, bool y_vectors) {
  using A = WindowOperand<Tile::rows>;
  using B = MatrixOperand<Tile::columns>;
  using Layout = cuda::Layout<Math, Tile, A, B>;
  SIMT_SHARED(Window, windows, [Tile::rows]);
  SIMT_SHARED(std::int64_t, targets, [Tile::rows]);  // offsets in C, negative past its last row
  SIMT_SHARED(float4, memory, [Layout::vectors]);

  const TileIndex<Tile> tile(e.k);
  const std::int64_t rows = static_cast<std::int64_t>(e.n) * e.p * e.q;
  for (int row = static_cast<int>(threadIdx.x); row < Tile::rows; row += Tile::threads) {
    const std::int64_t pixel = tile.first_row + row;
    Window window{0, outside, outside};
    std::int64_t target = -1;
    if (pixel < rows) {
      const std::int64_t line = pixel / e.q, image = line / e.p;
      window.i = static_cast<int>(line % e.p) * e.stride_h - e.pad_h;
      window.j = static_cast<int>(pixel % e.q) * e.stride_w - e.pad_w;
      window.source = ((image * e.h + window.i) * e.w + window.j) * e.c;
      target = pixel * e.k;
    }
    simt::st(windows + row, window);
    targets[row] = target;
  }
  __syncthreads();

  const std::int64_t depth = static_cast<std::int64_t>(e.r) * e.s * e.c;
  const auto product = multiply<Layout, Tile>(A(x, e.h, e.w, e.c, e.r, e.s, windows, x_vectors),
                                              B(w, depth, e.k, 0, tile.first_column, w_vectors),
                                              (depth - 1) / Tile::step + 1, memory);
  write_tile<Layout, Tile>(product, memory,
                           Target{.c = y,
                                  .first_column = tile.first_column,
                                  .columns = e.k,
                                  .vectors = y_vectors,
                                  .bias = bias,
                                  .added = residual,
                                  .relu = relu},
                           [&](int row) { return targets[row]; });
}

}  // namespace

void conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  cuda::conv2d_packed_forward(ex, s, x, w, b, nullptr, Activation::none, y);
}

// The kernels read weights as they are.
Conv2dPacking conv2d_packing(const Exec&, const Conv2dShape& s) { return {0, s.w_size()}; }

void conv2d_pack(const Exec& ex, const Conv2dShape& s, const float* w, float* packed) {
  cuda::copy_memory(ex.device, packed, ex.device, w,
                    s.w_size() * static_cast<std::int64_t>(sizeof(float)), ex.stream);
}

void conv2d_packed_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                           const float* b, const float* residual, Activation act, float* y) {
  const Conv2dExtents e = checked_extents(s);
  const std::int64_t rows = s.n * s.p() * s.q();
  with_math(ex, [&](auto math) {
    with_tile(choose_conv2d_tile(rows, s.k), [&](auto tile) {
      using Math = decltype(math);
      using Tile = decltype(tile);
      launch(ex, "conv2d_forward", forward_kernel<Math, Tile>, TileIndex<Tile>::grid(rows, s.k),
             Tile::threads, e, x, is_vector(x, s.c), w, is_vector(w, s.k), b, residual,
             act == Activation::relu, y, is_vector(y, s.k) && is_vector(residual, s.k));
    });
  });
}

}  // namespace trifold::kernels::cuda
