#include "bench/kernels/memory_bandwidth.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace trifold::bench {

namespace {

/// The least seconds of five runs of body over ranges of parts.
template <class Body>
double least_seconds(kernels::ThreadPool& pool, std::int64_t parts, const Body& body) {
  double least = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(parts, body);
    benchmark::ClobberMemory();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    least = std::min(least, seconds.count());
  }
  return least;
}

}  // namespace

double MemoryBandwidth::measure(kernels::ThreadPool& pool, int reads) {
  constexpr std::int64_t part = 4096, parts = count / part;
  const float *a = a_.data(), *b = b_.data();
  float* const y = y_.data();
  double seconds = 0;
  if (reads == 1) {
    const double doubled = least_seconds(pool, parts, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * part; i < end * part; ++i) y[i] = 2 * a[i];
    });
    const double copied = least_seconds(pool, parts, [=](std::int64_t begin, std::int64_t end) {
      std::copy(a + begin * part, a + end * part, y + begin * part);
    });
    seconds = std::min(doubled, copied);
  } else {
    seconds = least_seconds(pool, parts, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * part; i < end * part; ++i) y[i] = a[i] + b[i];
    });
  }
  return static_cast<double>(reads + 1) * sizeof(float) * count / seconds;
}

}  // namespace trifold::bench
