/// The arrays that kernels are timed on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace trifold::bench {

/// `count` floats in [-1, 1), the same at each call with the same seed.
std::vector<float> noise(std::int64_t count, std::uint64_t seed = 0);

/// Memory that is handed out in turn, so that no array is still in a cache when its turn comes
/// again: in a network, other layers come between an op and its next call.
class ColdMemory {
 public:
  explicit ColdMemory(std::vector<float> storage) : storage_(std::move(storage)) {}

  /// The next `count` floats, at the start of a cache line. They overlap none of the calls before
  /// until all of the memory has been handed out.
  /// Errors    Error: more than all of the memory.
  float* next(std::int64_t count);

 private:
  std::vector<float> storage_;
  std::size_t used_ = 0;
};

constexpr std::int64_t cold_floats = std::int64_t{64} << 20;  ///< 256 MB

/// The next of cold_floats of noise, which kernels only read, so that it stays as it is.
const float* cold_input(std::int64_t count);

/// The next of cold_floats that kernels write or update.
float* cold_output(std::int64_t count);

}  // namespace trifold::bench
