#include "kernels/cuda/conv2d_backward_data.cuh"

#include "kernels/backends.h"

namespace trifold::kernels::cuda {

void conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                          Write write, float* dx) {
  const Conv2dExtents e = checked_extents(s);
  const PhaseGrid grid(s);
  const Finish finish{.added = write == Write::accumulate ? dx : nullptr};
  with_math(ex, [&](auto math) {
    with_tile(grid.tile(s), [&](auto tile) {
      using Math = decltype(math);
      using Tile = decltype(tile);
      launch(ex, "conv2d_backward_data", backward_data_kernel<Math, Tile, Finish>,
             dim3(TileIndex<Tile>::grid(grid.rows, s.c), grid.phases), Tile::threads, e, dy,
             is_vector(dy, s.k), w, is_vector(w, s.k), finish, dx, is_vector(dx, s.c));
    });
  });
}

}  // namespace trifold::kernels::cuda
