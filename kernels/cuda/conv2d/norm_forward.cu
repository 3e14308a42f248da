#include "kernels/cuda/batch_norm_terms.cuh"
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/cuda/conv2d/forward.cuh"
#include "kernels/cuda/conv2d/sum_epilogues.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

/// Sums of deviations from the first tile's reference and of their squares, from what
/// StatisticsEpilogue leaves of tiles of `tile_rows` of all `rows`.
struct TileStatisticsTerms {
  static constexpr int sums = 2, batch = 4;
  const float* parts;
  std::int64_t channels, rows, tile_rows;

  template <int V>
  __device__ Floats<V> parameters(std::int64_t c) const {
    return load<V>(parts + c);
  }

  template <int V>
  __device__ void add(const Floats<V>& first, std::int64_t tile, int step, int count,
                      std::int64_t c, double (&sum)[sums * V]) const {
    Floats<V> reference[batch], mean[batch], squares[batch];
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      if (r >= count) continue;
      const float* part = parts + (tile + std::int64_t{r} * step) * 3 * channels + c;
      reference[r] = load<V>(part);
      mean[r] = load<V>(part + channels);
      squares[r] = load<V>(part + 2 * channels);
    }
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      if (r >= count) continue;
      const auto samples =
          static_cast<double>(min(tile_rows, rows - (tile + std::int64_t{r} * step) * tile_rows));
      for (int v = 0; v < V; ++v) {
        const double off = static_cast<double>(reference[r].v[v]) -
                           static_cast<double>(first.v[v]) + static_cast<double>(mean[r].v[v]);
        sum[v] = fma(samples, off, sum[v]);
        sum[V + v] += fma(samples * off, off, static_cast<double>(squares[r].v[v]));
      }
    }
  }
};

template <class Norm>
void forward(const Exec& ex, const Conv2dShape& s, Conv2dTile chosen, const float* x,
             bool x_vectors, const Norm& norm, const float* w, const StatisticsEpilogue& epilogue,
             float* y) {
  const Conv2dExtents e = checked_extents(s);
  with_math(ex, [&](auto math) {
    with_tile(chosen, [&](auto tile) {
      using Math = decltype(math);
      using Tile = decltype(tile);
      launch(ex, "norm_conv2d_forward", forward_kernel<Math, Tile, Norm, StatisticsEpilogue>,
             TileIndex<Tile>::grid(s.n * s.p() * s.q(), s.k), Tile::threads, e, x, x_vectors, norm,
             w, is_vector(w, s.k), epilogue, y, is_vector(y, s.k));
    });
  });
}

}  // namespace

void norm_conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                         const InputNorm* norm, const float* w, float* y, float* statistics,
                         const BatchNormFactors* factors) {
  check(s);
  const std::int64_t rows = s.n * s.p() * s.q();
  const Conv2dTile chosen = choose_conv2d_tile(rows, s.k);
  const std::int64_t tile_rows = extents(chosen).rows, tiles = div_up(rows, tile_rows);
  const Scratch<float> parts(ex, statistics != nullptr ? tiles * 3 * s.k : 0);
  const StatisticsEpilogue epilogue{parts.data()};
  if (norm == nullptr) {
    forward(ex, s, chosen, x, is_vector(x, s.c), NoNorm(), w, epilogue, y);
  } else {
    forward(ex, s, chosen, x, has_vectors(*norm, s, x), norm_of(*norm, s), w, epilogue, y);
  }
  if (statistics == nullptr) return;
  tile_sums(
      ex, "norm_conv2d_tile_statistics", "norm_conv2d_statistics", tiles, s.k,
      TileStatisticsTerms{parts.data(), s.k, rows, tile_rows},
      StatisticsOfSums<StoreStatisticsAndFactors>{
          parts.data(), static_cast<double>(rows), {{statistics, s.k}, factors_of(factors, rows)}});
}

}  // namespace trifold::kernels::cuda
