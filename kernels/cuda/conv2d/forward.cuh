/// Convolution, with what stands before and after it, as an implicit product: (n p q) x (r s c)
/// windows times (r s c) x k filters.
///
/// On tensor cores bound by the instructions that it issues, as counted in its machine code
/// (bench/README.md): for addresses and norms more than for products, and for the narrow layers of
/// CIFAR networks five times what memory takes (an input is read from DRAM once, its taps come from
/// the caches). On CUDA cores bound by arithmetic.
#pragma once

#include <type_traits>

#include "kernels/cuda/conv2d/launch.cuh"

namespace trifold::kernels::cuda {

/// Blocks that a multiprocessor should hold. In float32, with a norm and what PointwiseEpilogue
/// does, the widest tile would spill registers at three.
template <class Math, class Tile, class Norm, class Epilogue>
constexpr int forward_blocks =
    Tile::blocks == 3 && std::is_same_v<Math, Fp32> && !std::is_same_v<Norm, NoNorm> &&
            std::is_same_v<Epilogue, PointwiseEpilogue>
        ? 2
        : Tile::blocks;

/// A block computes one tile: Tile::rows output pixels by Tile::columns filters.
template <class Math, class Tile, class Norm, class Epilogue>
__global__ void __launch_bounds__(Tile::threads, (forward_blocks<Math, Tile, Norm, Epilogue>))
    forward_kernel(Conv2dExtents e, const float* __restrict__ x, bool x_vectors, Norm norm,
                   const float* __restrict__ w, bool w_vectors, Epilogue epilogue, float* y,
                   bool y_vectors) {
  using Windows = WindowOperand<Tile::rows>;
  using A = WithNorm<Windows, Norm>;
  using B = MatrixOperand<Tile::columns>;
  using Layout = cuda::Layout<Math, Tile, A, B>;
  SIMT_SHARED(Window, windows, [Tile::rows]);
  SIMT_SHARED(std::int64_t, targets, [Tile::rows]);  // offsets in C, negative past its last row
  SIMT_SHARED(float4, memory, [Layout::vectors]);

  const TileIndex<Tile> tile(e.k);
  const int pitch = pitch_of(norm, e.c);
  const std::int64_t rows = static_cast<std::int64_t>(e.n) * e.p * e.q;
  for (int row = static_cast<int>(threadIdx.x); row < Tile::rows; row += Tile::threads) {
    const std::int64_t pixel = tile.first_row + row;
    Window window{0, outside, outside};
    std::int64_t target = -1;
    if (pixel < rows) {
      const std::int64_t line = pixel / e.q, image = line / e.p;
      window.i = static_cast<int>(line % e.p) * e.stride_h - e.pad_h;
      window.j = static_cast<int>(pixel % e.q) * e.stride_w - e.pad_w;
      window.source = ((image * e.h + window.i) * e.w + window.j) * pitch;
      target = pixel * e.k;
    }
    simt::st(windows + row, window);
    targets[row] = target;
  }
  __syncthreads();

  const std::int64_t depth = static_cast<std::int64_t>(e.r) * e.s * e.c;
  const auto product = multiply<Layout, Tile>(
      with_norm(Windows(x, e.h, e.w, e.c, pitch, e.r, e.s, windows, x_vectors), norm),
      B(w, depth, e.k, 0, tile.first_column, w_vectors), (depth - 1) / Tile::step + 1, memory);
  write_tile<Layout, Tile>(
      product, memory, tile.target(y, rows, e.k, y_vectors), [&](int row) { return targets[row]; },
      epilogue);
}

}  // namespace trifold::kernels::cuda
