#include "tests/oracle/dropout.h"

#include <array>

namespace oracle {
namespace {

using Words = std::array<std::uint32_t, 4>;

/// Philox4x32-10 as figure 2 of Salmon et al., 2011, draws it: a round of two Feistel halves.
Words philox(Words c, std::uint32_t k0, std::uint32_t k1) {
  for (std::uint32_t round = 0; round < 10; ++round) {
    const std::uint64_t left = c[0] * std::uint64_t{3528531795u},
                        right = c[2] * std::uint64_t{3449720151u};
    const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v / 4294967296u); };
    const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v % 4294967296u); };
    c = {high(right) ^ c[1] ^ (k0 + round * 2654435769u), low(right),
         high(left) ^ c[3] ^ (k1 + round * 3144134277u), low(left)};
  }
  return c;
}

}  // namespace

std::vector<bool> dropout_kept(std::size_t count, double rate, std::uint64_t seed,
                               std::uint32_t stream, std::uint32_t layer, std::uint32_t step) {
  std::vector<bool> kept;
  for (std::size_t i = 0; i < count; ++i) {
    const Words words = philox({static_cast<std::uint32_t>(i / 4), step, layer, stream},
                               static_cast<std::uint32_t>(seed % 4294967296u),
                               static_cast<std::uint32_t>(seed / 4294967296u));
    kept.push_back(words[i % 4] >= static_cast<std::uint32_t>(rate * 4294967296.0));
  }
  return kept;
}

std::vector<double> dropout(const std::vector<double>& x, double rate,
                            const std::vector<bool>& kept) {
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(kept[i] ? x[i] / (1.0 - rate) : 0.0);
  return y;
}

}  // namespace oracle
