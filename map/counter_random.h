/// Reproducible pseudo-random numbers from a seed and a counter.
#pragma once

#include <cstdint>

namespace trifold::map {

/// Number n of stream `seed` is a fixed function of (seed, n): the SplitMix64 finaliser (Steele et
/// al., OOPSLA 2014) of seed and counter.
class CounterRandom {
 public:
  explicit CounterRandom(std::uint64_t seed) : key_(mix(seed + kGolden)) {}

  std::uint64_t bits() { return mix(key_ + kGolden * ++counter_); }
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  /// Uniform in 0 .. count-1 (the modulo bias is below count / 2^64).
  std::uint64_t below(std::uint64_t count) { return bits() % count; }

 private:
  static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

  static constexpr std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

  std::uint64_t key_;
  std::uint64_t counter_ = 0;
};

}  // namespace trifold::map
