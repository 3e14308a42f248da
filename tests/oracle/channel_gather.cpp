#include "tests/oracle/channel_gather.h"

namespace oracle {
namespace {

/// Calls f(index into x, index into y) for every element of y that has a source.
template <class F>
void for_pairs(const Gather& g, const std::vector<std::int32_t>& source, const F& f) {
  std::size_t out = 0;
  for (std::int64_t image = 0; image < g.n; ++image) {
    for (std::int64_t i = 0; i < g.h; i += g.stride) {
      for (std::int64_t j = 0; j < g.w; j += g.stride) {
        for (const std::int32_t channel : source) {
          if (channel >= 0) {
            f(static_cast<std::size_t>(((image * g.h + i) * g.w + j) * g.c + channel), out);
          }
          ++out;
        }
      }
    }
  }
}

}  // namespace

std::vector<double> channel_gather_forward(const Gather& g, const std::vector<double>& x,
                                           const std::vector<std::int32_t>& source) {
  const auto up = [&](std::int64_t v) { return (v + g.stride - 1) / g.stride; };
  std::vector<double> y(static_cast<std::size_t>(g.n * up(g.h) * up(g.w)) * source.size());
  for_pairs(g, source, [&](std::size_t in, std::size_t out) { y[out] = x[in]; });
  return y;
}

std::vector<double> channel_gather_backward(const Gather& g, const std::vector<double>& dy,
                                            const std::vector<std::int32_t>& source) {
  std::vector<double> dx(static_cast<std::size_t>(g.n * g.h * g.w * g.c));
  for_pairs(g, source, [&](std::size_t in, std::size_t out) { dx[in] += dy[out]; });
  return dx;
}

}  // namespace oracle
