/// Mutations that leave lengths and checksums right, without which nothing behind them would be met.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

/// libFuzzer's own mutation of `size` bytes, of which at most `max_size` come.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace trifold::fuzz {

inline constexpr std::size_t most_growth = 256;  // of one mutation

inline std::string mutated(std::string bytes) {
  const std::size_t size = bytes.size();
  bytes.resize(size + most_growth);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, bytes.size()));
  return bytes;
}

/// Puts `bytes` in the place of an input, unless they are too long for it.
inline std::size_t replace_input(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                 const std::string& bytes) {
  if (bytes.size() > max_size) return size;
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}

}  // namespace trifold::fuzz
