/// Kernels whose blocks share an array of (rows, channels) as columns_plan.h cuts it.
#pragma once

#include <cstdint>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/columns_plan.h"
#include "kernels/cuda/vector.cuh"

namespace trifold::kernels::cuda {

/// The grid's first dimension counts chunks of rows, its second the tiles of channels.
struct Columns : ColumnCut {
  dim3 blocks() const { return {static_cast<unsigned>(chunks), static_cast<unsigned>(tiles)}; }
  dim3 threads() const { return {static_cast<unsigned>(across), static_cast<unsigned>(lanes)}; }
};

/// Errors: ShapeError where a grid can't have so many blocks.
inline Columns columns(std::int64_t rows, std::int64_t channels, int width,
                       std::int64_t most_blocks) {
  const Columns c{cut_columns(rows, channels, width, most_blocks)};
  to_int(c.chunks);
  return c;
}

/// Where a thread works. It has nothing to do if `channel` is past the last.
struct ColumnThread {
  std::int64_t channel, row, end;  // rows row, row + lanes, ... below end

  __device__ ColumnThread(const Columns& c, int width)
      : channel((static_cast<std::int64_t>(blockIdx.y) * c.across + threadIdx.x) * width),
        row(blockIdx.x * c.chunk_rows + threadIdx.y),
        end(min((blockIdx.x + std::int64_t{1}) * c.chunk_rows, c.rows)) {}
};

/// See column_map.
template <int V, class F>
__global__ void __launch_bounds__(column_threads) column_map_kernel(F f, Columns c) {
  const ColumnThread at(c, V);
  if (at.channel >= c.channels) return;
  const auto parameters = f.template parameters<V>(at.channel);
#pragma unroll 4
  for (std::int64_t row = at.row; row < at.end; row += c.lanes) {
    f.template run<V>(parameters, row, at.channel);
  }
}

/// Calls f.run<V>(parameters, row, channel) on the device for each vector of channels of each row;
/// f.parameters<V>(channel) is called once a thread.
template <class F>
void column_map(const Exec& ex, const char* name, std::int64_t rows, std::int64_t channels,
                bool vectors_fit, const F& f) {
  constexpr std::int64_t most_blocks = std::int64_t{1} << 30;
  const Columns c = columns(rows, channels, vectors_fit ? 4 : 1, most_blocks);
  launch(ex, name, vectors_fit ? column_map_kernel<4, F> : column_map_kernel<1, F>, c.blocks(),
         c.threads(), f, c);
}

}  // namespace trifold::kernels::cuda
