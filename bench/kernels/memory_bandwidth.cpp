#include "bench/kernels/memory_bandwidth.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

namespace trifold::bench {

double MemoryBandwidth::measure(kernels::ThreadPool& pool) {
  constexpr std::int64_t part = 4096;
  const float *a = a_.data(), *b = b_.data();
  float* const y = y_.data();
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(count / part, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * part; i < end * part; ++i) y[i] = a[i] + b[i];
    });
    benchmark::DoNotOptimize(y_.data());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 3.0 * sizeof(float) * count / seconds.count());
  }
  return best;
}

}  // namespace trifold::bench
