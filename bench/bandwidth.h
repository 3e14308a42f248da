/// What the memory-bound benchmarks share: buffers too many for the caches, and the memory's own
/// speed, measured in the same process as the yardstick.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "kernels/exec.h"
#include "kernels/thread_pool.h"

namespace trifold::bench {

/// All processors, as a kernel gets them.
inline kernels::Exec all_threads() {
  static kernels::ThreadPool pool;
  kernels::Exec ex;
  ex.pool = &pool;
  return ex;
}

/// Arrays of `count` floats, 256 MB of them together, handed out in turn so that none is still in a
/// cache when its turn comes again.
class Ring {
 public:
  explicit Ring(std::int64_t count)
      : count_(static_cast<std::size_t>(count)),
        slots_(std::max<std::size_t>(4, (std::size_t{256} << 20) / sizeof(float) / count_)),
        storage_(count_ * slots_) {
    for (std::size_t i = 0; i < storage_.size(); ++i) {
      storage_[i] = static_cast<float>(static_cast<int>(i * 2654435761u >> 8 & 255) - 127) / 64;
    }
  }

  float* next() { return storage_.data() + count_ * (turn_++ % slots_); }

 private:
  std::size_t count_, slots_, turn_ = 0;
  std::vector<float> storage_;
};

/// Bytes a second of y = a + b over arrays of 64 MB in plain compiled code; the best of seven.
inline double memory_bandwidth() {
  static const double best = [] {
    const std::int64_t count = 16 << 20;
    std::vector<float> a(static_cast<std::size_t>(count), 1.0f), b = a, y = a;
    const float *pa = a.data(), *pb = b.data();
    float* py = y.data();
    double seconds = 1e9;
    for (int repeat = 0; repeat < 7; ++repeat) {
      const auto start = std::chrono::steady_clock::now();
      all_threads().pool->parallel_for(count / 4096, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin * 4096; i < end * 4096; ++i) py[i] = pa[i] + pb[i];
      });
      benchmark::DoNotOptimize(py);
      seconds = std::min(
          seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return 3.0 * sizeof(float) * static_cast<double>(count) / seconds;
  }();
  return best;
}

/// GB a second from the bytes that an iteration reads and writes at least, and its share of the
/// memory's.
inline void report_traffic(benchmark::State& state, double floats_per_iteration) {
  const double gigabytes = floats_per_iteration * sizeof(float) * 1e-9;
  state.counters["GB"] =
      benchmark::Counter(gigabytes, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_memory"] = benchmark::Counter(gigabytes * 1e9 / memory_bandwidth(),
                                                   benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace trifold::bench
