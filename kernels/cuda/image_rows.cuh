/// How blocks share a batch of images (image rows, pixels, channels): a block works on one row.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/vector.cuh"

namespace trifold::kernels::cuda {

constexpr int row_threads = 256;

/// The grid's first dimension counts the rows, its second the parts of a row. A thread owns V
/// channels of a pixel, and takes more pixels only where a row has over 2^24 vectors. Neighbouring
/// threads have neighbouring channels, then pixels.
template <int V, class F>
__global__ void __launch_bounds__(row_threads, 2)
    image_rows_kernel(F f, unsigned row_vectors, unsigned pixel_vectors) {
  const unsigned step = gridDim.y * blockDim.x;
  for (unsigned i = blockIdx.y * blockDim.x + threadIdx.x; i < row_vectors; i += step) {
    f.template run<V>(static_cast<std::int64_t>(blockIdx.x), static_cast<int>(i / pixel_vectors),
                      static_cast<int>(i % pixel_vectors) * V);
  }
}

/// Calls f.run<V>(row, pixel, channel) on the device for each vector of `rows` rows of `pixels`
/// pixels; V is 4 where `vectors_fit`.
template <class F>
void image_rows(const Exec& ex, const char* name, std::int64_t rows, std::int64_t pixels,
                std::int64_t channels, bool vectors_fit, const F& f) {
  const std::int64_t width = vectors_fit ? 4 : 1;
  const std::int64_t row_vectors = to_int(pixels * channels) / width;
  const std::int64_t threads = std::min<std::int64_t>(row_threads, div_up(row_vectors, 32) * 32);
  const std::int64_t parts = std::min<std::int64_t>(div_up(row_vectors, threads), 65535);
  launch(ex, name, vectors_fit ? image_rows_kernel<4, F> : image_rows_kernel<1, F>,
         dim3(static_cast<unsigned>(to_int(rows)), static_cast<unsigned>(parts)),
         dim3(static_cast<unsigned>(threads)), f, static_cast<unsigned>(row_vectors),
         static_cast<unsigned>(channels / width));
}

}  // namespace trifold::kernels::cuda
