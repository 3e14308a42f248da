#include "bench/kernels/memory_bandwidth.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace trifold::bench {

double memory_bandwidth(kernels::ThreadPool& pool) {
  constexpr std::int64_t count = 16 << 20, part = 4096;
  std::vector<float> a(count, 1.0f), b = a, y = a;
  const float *pa = a.data(), *pb = b.data();
  float* py = y.data();
  double best = 0;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(count / part, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * part; i < end * part; ++i) py[i] = pa[i] + pb[i];
    });
    benchmark::DoNotOptimize(py);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 3.0 * sizeof(float) * count / seconds.count());
  }
  return best;
}

}  // namespace trifold::bench
