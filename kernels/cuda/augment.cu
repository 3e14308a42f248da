/// Bound by memory: each byte is read once, each float written once; the table stays in the cache.
#include "kernels/cuda/image_rows.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

struct Augment {
  int h, w, c;
  const std::uint8_t* x;
  const Crop* crops;
  const float* table;
  float* y;

  template <int V>
  __device__ void run(std::int64_t row, int j, int channel) const {
    const std::int64_t image = row / h;
    const Crop crop = crops[image];
    const std::int64_t from_row = row % h + crop.down;
    const std::int64_t from_column =
        (crop.mirrored != 0 ? w - 1 - j : j) + std::int64_t{crop.right};
    const bool inside = from_row >= 0 && from_row < h && from_column >= 0 && from_column < w;
    const std::int64_t from = ((image * h + from_row) * w + from_column) * c + channel;
    const std::int64_t to = (row * w + j) * c + channel;
    Floats<V> a;
    for (int v = 0; v < V; ++v) a.v[v] = table[(channel + v) * 256 + (inside ? x[from + v] : 0)];
    store(y + to, a);
  }
};

}  // namespace

void augment(const Exec& ex, const AugmentShape& s, const std::uint8_t* x, const Crop* crops,
             const float* table, float* y) {
  check(s);
  image_rows(ex, "augment", s.n * s.h, s.w, s.c, s.c % 4 == 0 && aligned({y}),
             Augment{to_int(s.h), to_int(s.w), to_int(s.c), x, crops, table, y});
}

}  // namespace trifold::kernels::cuda
