#include "tests/oracle/flatten.h"

namespace oracle {
namespace {

/// Calls f(index into images, index into rows) for every element.
template <class F>
void for_pairs(std::int64_t n, std::int64_t pixels, std::int64_t c, const F& f) {
  std::size_t row_element = 0;
  for (std::int64_t image = 0; image < n; ++image) {
    for (std::int64_t channel = 0; channel < c; ++channel) {
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
        f(static_cast<std::size_t>((image * pixels + pixel) * c + channel), row_element++);
      }
    }
  }
}

}  // namespace

std::vector<double> flatten_forward(std::int64_t n, std::int64_t pixels, std::int64_t c,
                                    const std::vector<double>& x) {
  std::vector<double> y(x.size());
  for_pairs(n, pixels, c, [&](std::size_t in, std::size_t out) { y[out] = x[in]; });
  return y;
}

std::vector<double> flatten_backward(std::int64_t n, std::int64_t pixels, std::int64_t c,
                                     const std::vector<double>& dy) {
  std::vector<double> dx(dy.size());
  for_pairs(n, pixels, c, [&](std::size_t in, std::size_t out) { dx[in] += dy[out]; });
  return dx;
}

}  // namespace oracle
