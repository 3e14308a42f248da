/// A thread draws four words, for the four elements that it owns.
#include "kernels/cuda/map.cuh"
#include "kernels/dropout_words.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

struct Dropout {
  DropoutDraws draws;
  DropoutChoice choice;
  const float *step, *x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    const PhiloxWords words = dropout_words(draws, *step, i / 4);
    Floats<V> a = load<V>(x + i);
    for (int v = 0; v < V; ++v) {
      const std::uint32_t word = words.v[V == 4 ? v : static_cast<int>(i % 4)];
      a.v[v] = word >= choice.threshold ? a.v[v] * choice.factor : 0.0f;
    }
    store(y + i, a);
  }
};

}  // namespace

void dropout(const Exec& ex, std::int64_t count, float rate, const DropoutDraws& draws,
             const float* step, const float* x, float* y) {
  check_dropout(rate);
  map(ex, "dropout", count, aligned({x, y}), Dropout{draws, choice_of(rate), step, x, y});
}

}  // namespace trifold::kernels::cuda
