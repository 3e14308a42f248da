/// The machine's own limit of traffic, the yardstick of what is bound by memory.
#pragma once

#include <vector>

#include "kernels/thread_pool.h"

namespace trifold::bench {

/// Keeps the arrays, so that measuring again costs no fresh pages.
class MemoryBandwidth {
 public:
  /// Bytes/s of y = a + b over arrays of 64 MB on all threads of `pool` together, in plain compiled
  /// code with nothing of the library's; the best of five.
  double measure(kernels::ThreadPool& pool);

 private:
  static constexpr std::int64_t count = 16 << 20;
  std::vector<float> a_ = std::vector<float>(count, 1.0f), b_ = a_, y_ = a_;
};

}  // namespace trifold::bench
