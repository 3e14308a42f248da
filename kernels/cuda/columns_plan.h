/// How blocks share an array of (rows, channels): each thread keeps to some channels and walks down
/// the rows, so that what belongs to a channel stays in its registers. By the shape alone, so that
/// sums come in the same order on every GPU. Plain C++, no CUDA.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/runtime/error_types.h"

namespace trifold::kernels::cuda {

constexpr int column_threads = 256;  ///< the most a block has
constexpr int column_batch = 8;      ///< rows that a thread takes at least, where there are so many

/// Blocks of sums over rows: four or so for a multiprocessor of the largest GPUs.
constexpr std::int64_t most_sum_blocks = 1024;

/// Tiles of a convolution whose sums one launch adds: 32 a thread.
constexpr std::int64_t few_tiles = 1024;

/// A block is `across` vectors of channels wide and `lanes` rows high. Its threads read
/// neighbouring addresses: row after row, as the channels are contiguous. There are `chunks` of
/// rows and `tiles` of channels.
struct ColumnCut {
  std::int64_t rows, channels;
  std::int64_t chunk_rows = 0, chunks = 0;
  int across = 0, lanes = 0, tiles = 0;
};

/// In vectors of `width` channels. A chunk holds a batch of rows for each of its threads, or more
/// where that would make over `most_blocks`.
inline ColumnCut cut_columns(std::int64_t rows, std::int64_t channels, int width,
                             std::int64_t most_blocks) {
  constexpr std::int64_t widest = 64;
  const auto div_up = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t vectors = channels / width, tiles = div_up(vectors, widest);
  if (tiles > 65535) throw ShapeError("an array has more channels than the GPU kernels take");
  ColumnCut c{.rows = rows, .channels = channels};
  c.tiles = static_cast<int>(tiles);
  c.across = static_cast<int>(div_up(vectors, tiles));
  c.lanes = static_cast<int>(std::min<std::int64_t>(column_threads / c.across, rows));
  const std::int64_t batch_rows = std::int64_t{column_batch} * c.lanes;
  const std::int64_t most_chunks = std::max<std::int64_t>(most_blocks / tiles, 1);
  c.chunk_rows = div_up(div_up(rows, most_chunks), batch_rows) * batch_rows;
  c.chunks = div_up(rows, c.chunk_rows);
  return c;
}

}  // namespace trifold::kernels::cuda
