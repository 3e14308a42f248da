/// Plain reference of kernels/augment.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

struct Images {
  std::int64_t n, h, w, c;
};
struct Window {
  std::int64_t down, right;
  bool mirrored;
};

/// Cuts the window out of each image on an endless black ground, mirrors it, and gives each byte
/// the value that `table` (c,256) has for it.
std::vector<double> augment(const Images& s, const std::vector<std::uint8_t>& x,
                            const std::vector<Window>& windows, const std::vector<double>& table);

}  // namespace oracle
