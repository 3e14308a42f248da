/// Sums over the rows of an array of (rows, channels), channel by channel, in a fixed order.
#pragma once

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/scratch.cuh"

namespace trifold::kernels::cuda {

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
    const auto parameters = terms.template parameters<V>(at.channel);
    std::int64_t left = at.row < at.end ? (at.end - at.row - 1) / c.lanes + 1 : 0;
    for (std::int64_t row = at.row; left > 0;
         row += std::int64_t{Terms::batch} * c.lanes, left -= Terms::batch) {
      const int rows = left < Terms::batch ? static_cast<int>(left) : Terms::batch;
      terms.template add<V>(parameters, row, c.lanes, rows, at.channel, sums);
    }
  }
  sum_over_lanes(sums, shared, c.lanes);
  if (threadIdx.y != 0 || at.channel >= c.channels) return;
  for (int k = 0; k < Terms::sums; ++k) {
    double* to = parts + (blockIdx.x * std::int64_t{Terms::sums} + k) * c.channels + at.channel;
    for (int v = 0; v < V; ++v) to[v] = sums[k * V + v];
  }
}

/// Second step: a block of 8 channels adds their chunks, and finish(c, sums) runs once a channel.
constexpr int finish_across = 8, finish_lanes = column_threads / finish_across;

template <int Sums, class Finish>
__global__ void __launch_bounds__(column_threads)
    finish_sums_kernel(Finish finish, std::int64_t channels, std::int64_t chunks,
                       const double* parts) {
  SIMT_SHARED(double, shared, [Sums][column_threads]);
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * finish_across + threadIdx.x;
  double sums[Sums] = {};
  if (c < channels) {
    for (std::int64_t chunk = threadIdx.y; chunk < chunks; chunk += finish_lanes) {
      for (int k = 0; k < Sums; ++k) sums[k] += parts[(chunk * Sums + k) * channels + c];
    }
  }
  sum_over_lanes(sums, shared, finish_lanes);
  if (threadIdx.y == 0 && c < channels) finish(c, sums);
}

/// finish(c, sums) on the device for every channel c, with sums[k] the sum over all rows of what
/// terms.add puts there. Reads each element of the arrays once; the parts are less than 1/32 of
/// them for large arrays.
template <class Terms, class Finish>
void channel_sums(const Exec& ex, const char* name, const char* finish_name, std::int64_t rows,
                  std::int64_t channels, bool vectors_fit, const Terms& terms,
                  const Finish& finish) {
  constexpr std::int64_t most_blocks = 1024;  // four or so for a multiprocessor of the largest GPUs
  const Columns c = columns(rows, channels, vectors_fit ? 4 : 1, most_blocks);
  const Scratch<double> parts(ex, c.chunks * Terms::sums * channels);
  launch(ex, name, vectors_fit ? channel_sums_kernel<4, Terms> : channel_sums_kernel<1, Terms>,
         c.blocks(), c.threads(), terms, c, parts.data());
  launch(ex, finish_name, finish_sums_kernel<Terms::sums, Finish>,
         blocks_in_row(div_up(channels, finish_across)), dim3(finish_across, finish_lanes), finish,
         channels, c.chunks, parts.data());
}

}  // namespace trifold::kernels::cuda
