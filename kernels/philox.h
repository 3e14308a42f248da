/// Random bits by position, on any device: the one generator of the library.
///
/// Tests tests/engine/random_test.cpp, tests/kernels/dropout_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/host_device.h"

namespace trifold::kernels {

/// Four words, the least significant first.
struct PhiloxWords {
  std::uint32_t v[4];
};

/// Philox4x32-10: ten rounds that turn a counter of 128 bits and a key of 64 into 128 random bits.
/// Source    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; Random123.
TRIFOLD_HOST_DEVICE constexpr PhiloxWords philox(PhiloxWords counter, std::uint64_t key) {
  auto low_key = static_cast<std::uint32_t>(key), high_key = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter.v[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter.v[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.v[1] ^ low_key,
                static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.v[3] ^ high_key,
                static_cast<std::uint32_t>(a)}};
    low_key += 0x9E3779B9;
    high_key += 0xBB67AE85;
  }
  return counter;
}

}  // namespace trifold::kernels
