/// The fused backward pass of a convolution of few filters: from one patch of dy in shared memory,
/// evaluated as it is read, and one tile of its input a, both gradients
///   of a tile's pixels   g = sum over taps of (patch shifted by the tap) (filters of the tap)^T,
///   of each tap's filters   dw += a^T (patch shifted by the tap).
/// It reads dy's arrays and x once from DRAM, halos coming from the L2 cache, and writes g. On tensor
/// cores the instructions that it issues bound it about as much (bench/README.md).
///
/// What is worked on, from large to small:
///   batch      cut into squares of 8 x 8 pixels
///   part       the tiles that the same blocks take one after the other; its sums are its own
///   tile       one or two squares, which a block holds at a time
///   square     with the patch of dy that its windows reach: 10 x 10 pixels for 3 x 3 taps
///   line pair  two neighbouring lines of a square, 16 pixels: the rows of one tensor-core product
///   tap        of the window; a warp sums up the gradient of one tap's filters
///
/// A block over time, for a 3 x 3 window: nine warps, tap t being warp t's, and tiles of two
/// squares, eight line pairs, line pair i being warp i's. Bars are barriers.
///
///   once      filters of all taps --> shared memory; dw of a warp's tap = 0, in registers
///   tile 0  | all:    dy of the patches, evaluated, and a of the pixels --> shared memory
///           +---------------------------------------------------------------
///           | warp t: dw(tap t) += a^T (patch shifted by t), line pair by line pair
///           | warp i: g(line pair i) = sum over taps of (shifted patch) filters^T, in registers
///           +---------------------------------------------------------------
///           | warp i: g(line pair i) --> shared memory, in the place of patches and a
///           +---------------------------------------------------------------
///           | all:    g [+ added], under the ReLU mask --> global memory; its sums
///           +---------------------------------------------------------------
///   tile 1  | the same ...
///   end       dw of all warps --> shared memory --> this part's place in global memory; sums too
#pragma once

#include <type_traits>

#include "kernels/cuda/conv2d/fused_fma.cuh"
#include "kernels/cuda/conv2d/fused_memory.cuh"
#include "kernels/cuda/conv2d/fused_mma.cuh"
#include "kernels/cuda/conv2d/product.cuh"

namespace trifold::kernels::cuda {

/// What the kernel reads and writes. Parts are added by other kernels, in fixed order:
///   dw[part r s c k + i] is element i of the filters' gradient over a part's tiles,
///   sums[(2 part + i) c + channel] the sum of g for i = 0, of g (x - mean) for 1.
struct FusedBackward {
  FusedGradient dy;
  FusedInput input;
  const float* w;
  bool w_vectors, dw_vectors;
  const float* added;
  float* g;  ///< null: only dw is wanted
  float *sums, *dw;
  int tiles, tiles_per_part;
};

/// The products of a kernel's arithmetic.
template <class Math, class Layout, class Tile>
struct FusedProducts {
  using Fragments = std::conditional_t<std::is_same_v<Math, Tf32>, Tf32Fragments, Bf16Fragments>;
  using Data = TensorDataProduct<Fragments, Layout, Tile>;
  using Weight = TensorWeightProduct<Fragments, Layout, Tile>;
};
template <class Layout, class Tile>
struct FusedProducts<Fp32, Layout, Tile> {
  using Data = FloatDataProduct<Layout, Tile>;
  using Weight = FloatWeightProduct<Layout, Tile>;
};

/// Where, in a patch, dy shifted by tap (r, s) begins.
template <class Layout>
__device__ int tap_offset(const Conv2dExtents& e, int r, int s) {
  return ((e.r - 1 - r) * patch_side + e.s - 1 - s) * Layout::k_pitch;
}
/// Where, in the patches, that of a line pair begins.
template <class Layout>
__device__ int line_pair_offset(int line_pair) {
  const int square = line_pair / line_pairs_per_square,
            lines = line_pair % line_pairs_per_square * 2;
  return (square * patch_pixels + lines * patch_side) * Layout::k_pitch;
}

/// Leaves the gradients that a block's warps hold, each of (c, k), in its part. Warp group * taps +
/// tap has its group's share of the tap's.
template <class Tile>
__device__ void leave_filters(const Conv2dExtents& e, int first_channel, int groups,
                              const float* gradients, float* part, bool vectors) {
  constexpr int across = Tile::k / 4, matrix = Tile::c * Tile::k;
  const int taps = e.r * e.s, rows = taps * Tile::c;
  const int k = static_cast<int>(threadIdx.x) % across * 4;
  for (int row = static_cast<int>(threadIdx.x) / across; row < rows;
       row += Tile::threads / across) {
    const int tap = row / Tile::c, c = first_channel + row % Tile::c;
    if (c >= e.c || k >= e.k) continue;
    Floats<4> sum = splat<4>(0);
    for (int group = 0; group < groups; ++group)
      add_to(sum, load<4>(gradients + group * taps * matrix + row * Tile::k + k));
    store_some(part, (static_cast<std::int64_t>(tap) * e.c + c) * e.k + k, sum, e.k - k, vectors);
  }
}

/// Adds the sums of a block's threads and leaves those of its channels in a part.
template <class Tile>
__device__ void leave_sums(const Conv2dExtents& e, int first_channel, const FusedSums<Tile>& sums,
                           float* part) {
  const int thread = static_cast<int>(threadIdx.x), c = first_channel + thread % Tile::c;
  if (thread >= 2 * Tile::c || c >= e.c) return;
  const float* of_lane = thread < Tile::c ? sums.first : sums.second;
  float sum = 0;
#pragma unroll 4
  for (int i = thread % Tile::c; i < sums.size; i += Tile::c) sum += of_lane[i];
  part[thread < Tile::c ? c : e.c + c] = sum;
}

/// What the kernel holds of shared memory beside its dynamic part.
template <class Tile>
constexpr std::int64_t fused_static_bytes = sizeof(FusedFactors<Tile>) + sizeof(FusedSums<Tile>) +
                                            div_up(sizeof(Square[2][Tile::squares]), 16) * 16;

/// Blocks that a multiprocessor should hold; at two, these would spill registers.
template <class Math, class Tile>
constexpr int fused_blocks = Tile::k == 64 || (Tile::c == 32 && std::is_same_v<Math, Fp32>) ? 1 : 2;

/// A block owns Tile::c channels of one part of the tiles; blocks of one part follow each other,
/// for they read the same dy. All the time a block keeps its filters in shared memory and their
/// gradient in registers, a tap a warp; where the window has few taps, groups of warps share the
/// line pairs.
template <class Math, class Tile>
__global__ void __launch_bounds__(Tile::threads, (fused_blocks<Math, Tile>))
    fused_backward_kernel(Conv2dExtents e, FusedBackward n) {
  using Element = typename Math::Element;
  using Layout = FusedLayout<Element, Tile>;
  using Products = FusedProducts<Math, Layout, Tile>;
  SIMT_SHARED(Square, places, [2][Tile::squares]);  // of this tile, and of the next
  SIMT_SHARED(FusedFactors<Tile>, factors);
  SIMT_SHARED(FusedSums<Tile>, sums);
  SIMT_DYN_SHARED(float, memory);
  auto* patches = reinterpret_cast<Element*>(memory);
  Element* input = patches + Layout::patches;
  auto* filters = reinterpret_cast<Element*>(memory + Layout::filters_at / sizeof(float));

  const int across = (e.c - 1) / Tile::c + 1, block = static_cast<int>(blockIdx.x);
  const int first_channel = block % across * Tile::c;
  const int part = block / across;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, taps = e.r * e.s;
  const int tap = warp % taps, group = warp / taps, groups = Tile::warps / taps;
  const int first_tile = part * n.tiles_per_part, end = min(first_tile + n.tiles_per_part, n.tiles);

  const auto locate = [&](int tile) {
    if (thread < Tile::squares)
      places[tile % 2][thread] = square_of(e, tile * Tile::squares + thread);
  };
  locate(first_tile);
  for (int i = thread; i < sums.size; i += Tile::threads) sums.first[i] = sums.second[i] = 0;
  load_factors(e, n.dy, n.input, first_channel, factors);
  if (n.g != nullptr) load_filters<Layout, Tile>(e, n.w, n.w_vectors, first_channel, filters);
  typename Products::Weight weight;
  __syncthreads();
#pragma unroll 1
  for (int tile = first_tile; tile < end; ++tile) {
    const Square* squares = places[tile % 2];
    load_patches<Layout, Tile>(e, n.dy, factors, squares, patches);
    const std::uint32_t mask =
        load_input<Layout, Tile>(e, n.input, first_channel, factors, squares, input);
    locate(tile + 1);
    __syncthreads();
    if (group < groups) {
#pragma unroll 1
      for (int line_pair = group; line_pair < Tile::line_pairs; line_pair += groups)
        weight.add(input + line_pair * line_pair_pixels * Layout::c_pitch,
                   patches + line_pair_offset<Layout>(line_pair) +
                       tap_offset<Layout>(e, tap / e.s, tap % e.s));
    }
    if (n.g != nullptr) {
      typename Products::Data data;
      if (warp < Tile::line_pairs) {
        const Element* line_pair = patches + line_pair_offset<Layout>(warp);
        const Element* of_tap = filters;
#pragma unroll 1
        for (int r = 0; r < e.r; ++r)
#pragma unroll 1
          for (int s = 0; s < e.s; ++s, of_tap += Layout::tap)
            data.add(line_pair + tap_offset<Layout>(e, r, s), of_tap);
      }
      __syncthreads();  // all have read the patches and the input
      if (warp < Tile::line_pairs)
        data.store(memory + warp * line_pair_pixels * Layout::g_pitch, Layout::g_pitch);
      __syncthreads();
      write_gradient<Layout, Tile>(e, n.input, first_channel, factors, squares, memory, mask,
                                   n.added, n.g, sums);
    }
    __syncthreads();  // all are done with this tile
  }

  if (group < groups) weight.store(memory + warp * Tile::c * Tile::k);
  __syncthreads();
  leave_filters<Tile>(e, first_channel, groups, memory,
                      n.dw + static_cast<std::int64_t>(part) * taps * e.c * e.k, n.dw_vectors);
  if (n.sums != nullptr)
    leave_sums(e, first_channel, sums, n.sums + static_cast<std::int64_t>(part) * 2 * e.c);
}

}  // namespace trifold::kernels::cuda
