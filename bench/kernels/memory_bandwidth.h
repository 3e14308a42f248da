/// The machine's own limit of traffic, the yardstick of what is bound by memory.
#pragma once

#include <vector>

#include "kernels/runtime/thread_pool.h"

namespace trifold::bench {

/// Keeps the arrays, so that measuring again costs no fresh pages.
class MemoryBandwidth {
 public:
  /// Bytes/s of y = a + b, or, where one array is read, of y = 2 a or the C library's copy,
  /// whichever is faster, over arrays of 64 MB on all threads of `pool` together, in plain compiled
  /// code with nothing of this library's; the best of five. What writes as much as it reads is
  /// slower on many machines, for their ways to memory are narrower than those back.
  double measure(kernels::ThreadPool& pool, int reads);

 private:
  static constexpr std::int64_t count = 16 << 20;
  std::vector<float> a_ = std::vector<float>(count, 1.0f), b_ = a_, y_ = a_;
};

}  // namespace trifold::bench
