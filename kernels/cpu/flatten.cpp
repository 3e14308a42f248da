#include "kernels/flatten.h"

#include <algorithm>

#include "kernels/cpu/ranges.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

// Each of n matrices (rows, columns) to (columns, rows). Rows of the result are divided among the
// threads; a band of columns is finished before the next, so that the lines which it reads stay in
// the cache.
void transpose(const Exec& ex, std::int64_t n, std::int64_t rows, std::int64_t columns,
               const float* from, float* to) {
  constexpr std::int64_t band = 16;
  for_ranges(ex, n * columns, band, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin; first < end;) {
      const std::int64_t image = first / columns, column = first % columns;
      const std::int64_t count = std::min({band, end - first, columns - column});
      const float* const in = from + image * rows * columns + column;
      float* const out = to + first * rows;
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < count; ++j) out[j * rows + i] = in[i * columns + j];
      }
      first += count;
    }
  });
}

}  // namespace

void flatten_forward(const Exec& ex, const FlattenShape& s, const float* x, float* y) {
  check(s);
  transpose(ex, s.n, s.pixels, s.c, x, y);
}

void flatten_backward(const Exec& ex, const FlattenShape& s, const float* dy, float* dx) {
  check(s);
  transpose(ex, s.n, s.c, s.pixels, dy, dx);
}

}  // namespace trifold::kernels::cpu
