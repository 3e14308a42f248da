/// How blocks share an array of (rows, channels): each thread keeps to V channels and walks down
/// the rows, so that what belongs to a channel stays in its registers.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/vector.cuh"

namespace trifold::kernels::cuda {

constexpr int column_threads = 256;  ///< the most a block has
constexpr int column_batch = 8;      ///< rows that a thread takes at least, where there are so many

/// A block is `across` vectors of channels wide and `lanes` rows high. Its threads read
/// neighbouring addresses: row after row, as the channels are contiguous. The grid's first
/// dimension counts chunks of rows, its second the tiles of channels.
struct Columns {
  std::int64_t rows, channels;
  std::int64_t chunk_rows = 0, chunks = 0;
  int across = 0, lanes = 0, tiles = 0;

  dim3 blocks() const { return {static_cast<unsigned>(chunks), static_cast<unsigned>(tiles)}; }
  dim3 threads() const { return {static_cast<unsigned>(across), static_cast<unsigned>(lanes)}; }
};

/// The cut depends on the shape alone, so that sums come in the same order on every GPU. A chunk
/// holds a batch of rows for each of its threads, or more where that would make over `most_blocks`.
inline Columns columns(std::int64_t rows, std::int64_t channels, int width,
                       std::int64_t most_blocks) {
  constexpr std::int64_t widest = 64;
  const std::int64_t vectors = channels / width, tiles = div_up(vectors, widest);
  if (tiles > 65535) throw ShapeError("an array has more channels than the GPU kernels take");
  Columns c{.rows = rows, .channels = channels};
  c.tiles = static_cast<int>(tiles);
  c.across = static_cast<int>(div_up(vectors, tiles));
  c.lanes = static_cast<int>(std::min<std::int64_t>(column_threads / c.across, rows));
  const std::int64_t batch_rows = std::int64_t{column_batch} * c.lanes;
  const std::int64_t most_chunks = std::max<std::int64_t>(most_blocks / tiles, 1);
  c.chunk_rows = div_up(div_up(rows, most_chunks), batch_rows) * batch_rows;
  c.chunks = to_int(div_up(rows, c.chunk_rows));
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
