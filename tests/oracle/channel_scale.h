/// Channels times a factor for each image, in double precision. Images are (n,pixels,c).
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

struct ChannelScale {
  std::int64_t n, pixels, c;
};

std::vector<double> channel_scale(const ChannelScale& s, const std::vector<double>& x,
                                  const std::vector<double>& factor);

/// The gradient of the factors, and the sum of the sizes of what it sums.
struct FactorGradient {
  std::vector<double> value, size;
};
FactorGradient channel_scale_gradient(const ChannelScale& s, const std::vector<double>& x,
                                      const std::vector<double>& dy);

}  // namespace oracle
