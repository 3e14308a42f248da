#include "bench/kernels/arrays.h"

#include "kernels/runtime/error.h"

namespace trifold::bench {
std::vector<float> noise(std::int64_t count, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uint64_t state = seed << 40;
  for (float& value : values) {
    // SplitMix64; its upper 24 bits fill a float.
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    value = static_cast<float>((z ^ (z >> 31)) >> 40) * 0x1p-23f - 1.0f;
  }
  return values;
}

float* ColdMemory::next(std::int64_t count) {
  constexpr std::size_t line = 64 / sizeof(float);
  const auto size = (static_cast<std::size_t>(count) + line - 1) / line * line;
  require<Error>(size <= storage_.size(), "an array of {} floats is too large to be rotated",
                 count);
  if (used_ + size > storage_.size()) used_ = 0;
  float* const array = storage_.data() + used_;
  used_ += size;
  return array;
}

const float* cold_input(std::int64_t count) {
  static ColdMemory memory(noise(cold_floats));
  return memory.next(count);
}

float* cold_output(std::int64_t count) {
  static ColdMemory memory(std::vector<float>(cold_floats, 0.0f));
  return memory.next(count);
}

}  // namespace trifold::bench
