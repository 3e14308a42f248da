#include "tests/oracle/channel_scale.h"

#include <cmath>

namespace oracle {
namespace {

/// Calls f(element of the images, element of the factors) for every element of the images.
template <class F>
void for_each(const ChannelScale& s, const F& f) {
  for (std::int64_t image = 0; image < s.n; ++image) {
    for (std::int64_t pixel = 0; pixel < s.pixels; ++pixel) {
      for (std::int64_t c = 0; c < s.c; ++c) {
        f(static_cast<std::size_t>((image * s.pixels + pixel) * s.c + c),
          static_cast<std::size_t>(image * s.c + c));
      }
    }
  }
}

}  // namespace

std::vector<double> channel_scale(const ChannelScale& s, const std::vector<double>& x,
                                  const std::vector<double>& factor) {
  std::vector<double> y(x.size());
  for_each(s, [&](std::size_t i, std::size_t of) { y[i] = x[i] * factor[of]; });
  return y;
}

FactorGradient channel_scale_gradient(const ChannelScale& s, const std::vector<double>& x,
                                      const std::vector<double>& dy) {
  FactorGradient sum;
  sum.value.resize(static_cast<std::size_t>(s.n * s.c));
  sum.size.resize(sum.value.size());
  for_each(s, [&](std::size_t i, std::size_t of) {
    sum.value[of] += x[i] * dy[i];
    sum.size[of] += std::abs(x[i] * dy[i]);
  });
  return sum;
}

}  // namespace oracle
