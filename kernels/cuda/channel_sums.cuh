/// Sums over the rows of an array of (rows, channels), channel by channel, in a fixed order.
#pragma once

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/columns.cuh"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda {

/// Adds what terms.add puts into `sums` for rows row, row + step, ... below end, in batches of
/// Terms::batch.
template <int V, class Terms>
__device__ void add_rows(const Terms& terms, std::int64_t channel, std::int64_t row, int step,
                         std::int64_t end, double (&sums)[Terms::sums * V]) {
  const auto parameters = terms.template parameters<V>(channel);
  std::int64_t left = row < end ? (end - row - 1) / step + 1 : 0;
  for (; left > 0; row += std::int64_t{Terms::batch} * step, left -= Terms::batch) {
    const int rows = left < Terms::batch ? static_cast<int>(left) : Terms::batch;
    terms.template add<V>(parameters, row, step, rows, channel, sums);
  }
}

/// Adds the values of the threads of a column of the block, and leaves the sums in those of the
/// first lane: by halves, in an order fixed by the number of lanes.
template <int N>
__device__ void sum_over_lanes(double (&values)[N], double (&shared)[N][column_threads],
                               int lanes) {
  const int across = static_cast<int>(blockDim.x), lane = static_cast<int>(threadIdx.y);
  const int thread = lane * across + static_cast<int>(threadIdx.x);
  for (int k = 0; k < N; ++k) shared[k][thread] = values[k];
  int half = 1;
  while (half < lanes) half *= 2;
  for (half /= 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane >= half || lane + half >= lanes) continue;
    for (int k = 0; k < N; ++k) {
      values[k] += shared[k][thread + half * across];
      shared[k][thread] = values[k];
    }
  }
}

/// First step: parts[(chunk sums + k) channels + c] = sum k over a chunk of rows. A thread adds up
/// its rows in double, a batch of Terms::batch rows at a time, and its block adds the threads of a
/// column. Shared memory: a double a thread, sum and channel.
template <int V, class Terms>
__global__ void __launch_bounds__(column_threads)
    channel_sums_kernel(Terms terms, Columns c, double* parts) {
  constexpr int count = Terms::sums * V;
  SIMT_SHARED(double, shared, [count][column_threads]);
  const ColumnThread at(c, V);
  double sums[count] = {};
  if (at.channel < c.channels) {
    add_rows<V>(terms, at.channel, at.row, c.lanes, at.end, sums);
  }
  sum_over_lanes(sums, shared, c.lanes);
  if (threadIdx.y != 0 || at.channel >= c.channels) return;
  for (int k = 0; k < Terms::sums; ++k) {
    double* to = parts + (blockIdx.x * std::int64_t{Terms::sums} + k) * c.channels + at.channel;
    for (int v = 0; v < V; ++v) to[v] = sums[k * V + v];
  }
}

/// Sums of what parts hold: parts[(part sums + k) channels + c] is a part's sum k.
template <class Element, int Sums>
struct PartTerms {
  static constexpr int sums = Sums, batch = 8;
  const Element* parts;
  std::int64_t channels;

  struct None {};
  template <int V>
  __device__ None parameters(std::int64_t) const {
    return {};
  }

  template <int V>
  __device__ void add(None, std::int64_t part, int step, int count, std::int64_t c,
                      double (&sum)[sums * V]) const {
    Element a[batch][sums][V] = {};
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      if (r >= count) continue;
      for (int k = 0; k < sums; ++k) {
        const Element* from = parts + ((part + std::int64_t{r} * step) * sums + k) * channels + c;
        if constexpr (V == 1) {
          a[r][k][0] = *from;
        } else {
          const Floats<V> vector = load<V>(from);
          for (int v = 0; v < V; ++v) a[r][k][v] = vector.v[v];
        }
      }
    }
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      for (int k = 0; k < sums; ++k) {
        for (int v = 0; v < V; ++v) sum[k * V + v] += static_cast<double>(a[r][k][v]);
      }
    }
  }
};

/// Second step: a block adds 8 channels over all rows, and epilogue(c, sums) runs once a channel.
constexpr int finish_across = 8, finish_lanes = column_threads / finish_across;

/// What a block of (finish_across, finish_lanes) threads does, the `block`th of these.
template <class Terms, class Epilogue>
__device__ void finish_channels(const Terms& terms, const Epilogue& epilogue, std::int64_t rows,
                                std::int64_t channels, unsigned block) {
  SIMT_SHARED(double, shared, [Terms::sums][column_threads]);
  const std::int64_t c = static_cast<std::int64_t>(block) * finish_across + threadIdx.x;
  double sums[Terms::sums] = {};
  if (c < channels) add_rows<1>(terms, c, threadIdx.y, finish_lanes, rows, sums);
  sum_over_lanes(sums, shared, finish_lanes);
  if (threadIdx.y == 0 && c < channels) epilogue(c, sums);
}

template <class Terms, class Epilogue>
__global__ void __launch_bounds__(column_threads)
    finish_sums_kernel(Terms terms, Epilogue epilogue, std::int64_t rows, std::int64_t channels) {
  finish_channels(terms, epilogue, rows, channels, blockIdx.x);
}

/// epilogue(c, sums) on the device for every channel c, from one pass of a few blocks over all
/// rows: for the few rows that a first step has left.
template <class Terms, class Epilogue>
void finish_sums(const Exec& ex, const char* name, std::int64_t rows, std::int64_t channels,
                 const Terms& terms, const Epilogue& epilogue) {
  launch(ex, name, finish_sums_kernel<Terms, Epilogue>,
         blocks_in_row(div_up(channels, finish_across)), dim3(finish_across, finish_lanes), terms,
         epilogue, rows, channels);
}

/// epilogue(c, sums) on the device for every channel c, with sums[k] the sum over all rows of what
/// terms.add puts there. Reads each element of the arrays once; the parts are less than 1/32 of
/// them for large arrays.
template <class Terms, class Epilogue>
void channel_sums(const Exec& ex, const char* name, const char* finish_name, std::int64_t rows,
                  std::int64_t channels, bool vectors_fit, const Terms& terms,
                  const Epilogue& epilogue) {
  const Columns c = columns(rows, channels, vectors_fit ? 4 : 1, most_sum_blocks);
  const Scratch<double> parts(ex, c.chunks * Terms::sums * channels);
  launch(ex, name, vectors_fit ? channel_sums_kernel<4, Terms> : channel_sums_kernel<1, Terms>,
         c.blocks(), c.threads(), terms, c, parts.data());
  finish_sums(ex, finish_name, c.chunks, channels,
              PartTerms<double, Terms::sums>{parts.data(), channels}, epilogue);
}

/// The same for rows that are the tiles of a convolution's output: one launch where they are few.
template <class Terms, class Epilogue>
void tile_sums(const Exec& ex, const char* name, const char* finish_name, std::int64_t tiles,
               std::int64_t channels, const Terms& terms, const Epilogue& epilogue) {
  if (tiles <= few_tiles) return finish_sums(ex, finish_name, tiles, channels, terms, epilogue);
  channel_sums(ex, name, finish_name, tiles, channels, channels % 4 == 0, terms, epilogue);
}

}  // namespace trifold::kernels::cuda
