#include "kernels/backends.h"
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/cuda/conv2d_backward_data.cuh"

namespace trifold::kernels::cuda {

void norm_conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy,
                               const float* w, const float* x, const InputNorm& norm, float* g,
                               float* sums) {
  const Conv2dExtents e = checked_extents(s);
  const PhaseGrid grid(s);
  const Conv2dTile chosen = grid.tile(s);
  const std::int64_t tiles = grid.phases * div_up(grid.rows, extents(chosen).rows);
  const Scratch<float> parts(ex, tiles * 2 * s.c);
  const Norm factors = norm_of(norm, s);
  const GatherGradient gather{x, factors.pitch, factors.factors, factors.relu, parts.data()};
  const bool vectors = is_vector(g, s.c) && has_vectors(norm, s, x);
  with_math(ex, [&](auto math) {
    with_tile(chosen, [&](auto tile) {
      using Math = decltype(math);
      using Tile = decltype(tile);
      launch(ex, "norm_conv2d_backward_data", backward_data_kernel<Math, Tile, GatherGradient>,
             dim3(TileIndex<Tile>::grid(grid.rows, s.c), grid.phases), Tile::threads, e, dy,
             is_vector(dy, s.k), w, is_vector(w, s.k), gather, g, vectors);
    });
  });
  tile_sums(ex, "norm_conv2d_tile_gradients", "norm_conv2d_gradient_sums", tiles, s.c,
            PartTerms<float, 2>{parts.data(), s.c}, StoreSums<2>{sums, s.c});
}

}  // namespace trifold::kernels::cuda
