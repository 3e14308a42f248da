#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/kernels/multiply_add_peak.cpp"
#include "kernels/cpu/simd.h"
// simd.h selects the targets that these two compile.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace trifold::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// `rounds` multiply-adds on each of twelve vectors, enough chains to hide the latency and few
/// enough for the registers; the number of floating-point operations.
double run_chains(std::int64_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.999f), addend = hn::Set(d, 0.001f);
  auto a = hn::Iota(d, 1.0f), b = a, c = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a,
       m = a;
  for (std::int64_t round = 0; round < rounds; ++round) {
    a = hn::MulAdd(a, factor, addend);
    b = hn::MulAdd(b, factor, addend);
    c = hn::MulAdd(c, factor, addend);
    e = hn::MulAdd(e, factor, addend);
    f = hn::MulAdd(f, factor, addend);
    g = hn::MulAdd(g, factor, addend);
    h = hn::MulAdd(h, factor, addend);
    i = hn::MulAdd(i, factor, addend);
    j = hn::MulAdd(j, factor, addend);
    k = hn::MulAdd(k, factor, addend);
    l = hn::MulAdd(l, factor, addend);
    m = hn::MulAdd(m, factor, addend);
    // Without this the compiler may keep one chain for all twelve.
    asm volatile("" : "+v"(a), "+v"(b), "+v"(c), "+v"(e), "+v"(f), "+v"(g));
    asm volatile("" : "+v"(h), "+v"(i), "+v"(j), "+v"(k), "+v"(l), "+v"(m));
  }
  const auto sum = hn::Add(
      hn::Add(hn::Add(a, b), hn::Add(c, e)),
      hn::Add(hn::Add(hn::Add(f, g), hn::Add(h, i)), hn::Add(hn::Add(j, k), hn::Add(l, m))));
  *sink = hn::GetLane(hn::SumOfLanes(d, sum));
  return 2.0 * 12 * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

}  // namespace HWY_NAMESPACE
}  // namespace trifold::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/kernels/multiply_add_peak.h"

namespace trifold::bench {

HWY_EXPORT(run_chains);

double multiply_add_peak(kernels::ThreadPool& pool) {
  const auto run = TRIFOLD_DISPATCH(run_chains);
  const auto threads = static_cast<std::int64_t>(pool.threads());
  std::vector<float> sinks(static_cast<std::size_t>(threads) * 16);
  double best = 0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    constexpr std::int64_t rounds = 2'000'000;
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(threads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        run(rounds, &sinks[static_cast<std::size_t>(t) * 16]);
      }
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double flops = run(1, sinks.data()) * static_cast<double>(rounds * threads);
    best = std::max(best, flops / seconds.count());
  }
  return best;
}

}  // namespace trifold::bench
#endif
