/// Epilogues that sum up the columns of C, one channel each, while they write it. A block leaves
/// the sums of its tile in a part of its own, and a second kernel adds the parts in fixed order.
#pragma once

#include <cstdint>

#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/conv2d/epilogue.cuh"

namespace trifold::kernels::cuda {

/// How the threads of a block share a tile's columns: `width` neighbouring ones a thread, which
/// takes every lanes-th row, so that warps write whole rows.
template <class Tile, int width_>
struct ColumnShare {
  static constexpr int width = width_;
  static constexpr int line = Tile::columns / width, lanes = Tile::threads / line;
  static constexpr int rows = Tile::rows / lanes;

  static __device__ int across() { return static_cast<int>(threadIdx.x) % line * width; }
  static __device__ int lane() { return static_cast<int>(threadIdx.x) / line; }
  static __device__ int row(int i) { return lane() + i * lanes; }
  /// Rows of a lane among the first `count` of the tile.
  static __device__ int rows_of(int lane, int count) {
    return lane < count ? (count - lane - 1) / lanes + 1 : 0;
  }
};

/// Two sums of `width` columns over a thread's rows.
template <int width>
struct ColumnSums {
  Floats<width> first = splat<width>(0), second = splat<width>(0);
};

/// Leaves the count, mean and sum of squared deviations of each column of C:
/// parts[(3 part + i) columns + c] is for i = 0 a reference, the tile's first row, for 1 the mean
/// less the reference, for 2 the sum. Relative to the reference float32 keeps all digits however
/// large the mean; deviations are from the mean of a thread's rows, and those means merge as parts
/// of a whole (Chan, Golub and LeVeque).
struct StatisticsEpilogue {
  float* parts;  ///< null: nothing is summed up

  template <class Share, class Offset>
  __device__ ColumnSums<Share::width> apply(const float* tile, int pitch, const Target& to,
                                            std::int64_t column, const Offset& offset) const {
    constexpr int width = Share::width;
    const Floats<width> reference = load<width>(tile);
    Floats<width> off[Share::rows];
    ColumnSums<width> sums;
#pragma unroll
    for (int i = 0; i < Share::rows; ++i) {
      const int row = Share::row(i);
      if (row >= to.rows) continue;
      off[i] = load<width>(tile + row * pitch);
      store_at(to.c, offset(row) + column, off[i]);
      for (int j = 0; j < width; ++j) {
        off[i].v[j] -= reference.v[j];
        sums.first.v[j] += off[i].v[j];
      }
    }
    const int rows = Share::rows_of(Share::lane(), to.rows);
    const float share = rows > 0 ? 1.0f / static_cast<float>(rows) : 0.0f;
    for (int j = 0; j < width; ++j) sums.first.v[j] *= share;
#pragma unroll
    for (int i = 0; i < Share::rows; ++i) {
      if (Share::row(i) >= to.rows) continue;
      for (int j = 0; j < width; ++j) {
        const float d = off[i].v[j] - sums.first.v[j];
        sums.second.v[j] = fmaf(d, d, sums.second.v[j]);
      }
    }
    return sums;
  }

  /// Merges the lanes of one column.
  template <class Share>
  __device__ void merge(float reference, const float* means, const float* squares, int pitch,
                        const Target& to, std::int64_t column) const {
    float mean = 0;
#pragma unroll 8
    for (int lane = 0; lane < Share::lanes; ++lane) {
      const auto rows = static_cast<float>(Share::rows_of(lane, to.rows));
      mean = fmaf(rows, means[lane * pitch], mean);
    }
    mean /= static_cast<float>(to.rows);
    float sum = 0;
#pragma unroll 8
    for (int lane = 0; lane < Share::lanes; ++lane) {
      const float d = means[lane * pitch] - mean;
      const auto rows = static_cast<float>(Share::rows_of(lane, to.rows));
      sum += fmaf(rows * d, d, squares[lane * pitch]);
    }
    float* part = parts + 3 * to.part * to.columns + column;
    part[0] = reference;
    part[to.columns] = mean;
    part[2 * static_cast<std::int64_t>(to.columns)] = sum;
  }
};

/// Of a gradient with respect to a = act(norm(x) [+ residual]), under the ReLU mask, the sums that
/// the gradient of the norm needs: c = g = sums + added where a > 0 or there is no ReLU,
/// else 0, and parts[(2 part + i) columns + c] is for i = 0 the sum of g, for 1 that of
/// g (x - mean).
struct GradientEpilogue {
  const float* x;  ///< as c, with pixels `x_pitch` floats apart
  int x_pitch;
  ChannelAffine factors;
  bool relu;
  const float* a;      ///< as c, or null: it is norm(x)
  const float* added;  ///< as c, or null; may be c itself
  float* parts;

  template <class Share, class Offset>
  __device__ ColumnSums<Share::width> apply(const float* tile, int pitch, const Target& to,
                                            std::int64_t column, const Offset& offset) const {
    constexpr int width = Share::width;
    const Affine<width> norm = factors.template at<width>(column);
    ColumnSums<width> sums;
    // Batches of 16 floats of each array are loaded before the first store, which loads can't pass.
    constexpr int batch = Share::rows < 16 / width ? Share::rows : 16 / width;
#pragma unroll 1
    for (int first = 0; first < Share::rows; first += batch) {
      Floats<width> inputs[batch], results[batch], others[batch];
#pragma unroll
      for (int i = 0; i < batch; ++i) {
        const int row = Share::row(first + i);
        if (row >= to.rows) continue;
        const std::int64_t at = offset(row);
        inputs[i] = load<width>(x + (x_offset(at, to.columns) + column));
        if (relu && a != nullptr) results[i] = load<width>(a + (at + column));
        if (added != nullptr) others[i] = load<width>(added + (at + column));
      }
#pragma unroll
      for (int i = 0; i < batch; ++i) {
        const int row = Share::row(first + i);
        if (row >= to.rows) continue;
        const Floats<width> result = a != nullptr ? results[i] : norm(inputs[i]);
        Floats<width> g = load<width>(tile + row * pitch);
        if (added != nullptr) add_to(g, others[i]);
        for (int j = 0; j < width; ++j) {
          if (relu) g.v[j] = relu_masked(g.v[j], result.v[j]);
          sums.first.v[j] += g.v[j];
          sums.second.v[j] = fmaf(g.v[j], inputs[i].v[j] - norm.mean.v[j], sums.second.v[j]);
        }
        store_at(to.c, offset(row) + column, g);
      }
    }
    return sums;
  }

  /// Where x has the pixel that lies at `offset` in an array of `columns` channels.
  __device__ std::int64_t x_offset(std::int64_t offset, int columns) const {
    return x_pitch == columns ? offset : offset / columns * x_pitch;
  }

  template <class Share>
  __device__ void merge(float, const float* first, const float* second, int pitch, const Target& to,
                        std::int64_t column) const {
    float sums[2] = {};
#pragma unroll 8
    for (int lane = 0; lane < Share::lanes; ++lane) {
      sums[0] += first[lane * pitch];
      sums[1] += second[lane * pitch];
    }
    leave(sums, to, column);
  }

  __device__ void leave(const float (&sums)[2], const Target& to, std::int64_t column) const {
    float* part = parts + 2 * to.part * to.columns + column;
    part[0] = sums[0];
    part[to.columns] = sums[1];
  }
};

/// For a block whose tile has no row of C.
template <class Tile>
__device__ void leave_nothing(const GradientEpilogue& epilogue, const Target& to) {
  const std::int64_t column = to.first_column + static_cast<int>(threadIdx.x);
  if (static_cast<int>(threadIdx.x) < Tile::columns && column < to.columns) {
    epilogue.leave({}, to, column);
  }
}

/// Writes a tile in shared memory to C and sums its columns up. Shared memory after the tile's
/// first row is then used for the sums of the lanes, which one thread a column merges: with 32 of
/// them at most, that costs less than a tree of shuffles.
template <class Tile, int width, class Offset, class Epilogue>
requires requires(const Epilogue& epilogue) { epilogue.parts; }
__device__ void write_rows(float* tile, int pitch, const Target& to, const Offset& offset,
                           const Epilogue& epilogue) {
  using Share = ColumnShare<Tile, width>;
  const int across = Share::across();
  const std::int64_t column = to.first_column + across;
  ColumnSums<width> sums;
  if (column < to.columns) {
    sums = epilogue.template apply<Share>(tile + across, pitch, to, column, offset);
  }
  if (epilogue.parts == nullptr) return;
  constexpr int area = Share::lanes * Tile::columns;
  float* first = tile + pitch;
  float* second = first + area;
  static_assert(2 * area <= (Tile::rows - 1) * Tile::columns);
  __syncthreads();  // all have read the tile
  store(first + Share::lane() * Tile::columns + across, sums.first);
  store(second + Share::lane() * Tile::columns + across, sums.second);
  __syncthreads();
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < Tile::columns && to.first_column + thread < to.columns) {
    epilogue.template merge<Share>(tile[thread], first + thread, second + thread, Tile::columns, to,
                                   to.first_column + thread);
  }
}

}  // namespace trifold::kernels::cuda
