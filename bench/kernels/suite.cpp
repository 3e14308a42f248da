#include "bench/kernels/suite.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench/kernels/memory_bandwidth.h"
#include "bench/kernels/multiply_add_peak.h"

namespace trifold::bench {
namespace {

void run(benchmark::State& state, Threads& threads, const Work& work, const Prepare& prepare) {
  const std::function<void()> call = prepare({.pool = &threads.pool});
  call();
  const auto start = std::chrono::steady_clock::now();
  for ([[maybe_unused]] auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const double seconds = elapsed.count() / static_cast<double>(state.iterations());
  const double arithmetic = work.flops / threads.flops_per_s;
  const double memory = work.bytes / threads.bytes_per_s;
  state.counters["GFLOP/s"] = work.flops / seconds * 1e-9;
  state.counters["GB/s"] = work.bytes / seconds * 1e-9;
  state.counters["%bound"] = 100 * std::max(arithmetic, memory) / seconds;
  state.SetLabel(arithmetic > memory ? "arithmetic" : "memory");
}

}  // namespace

Threads::Threads(int count)
    : pool(count), flops_per_s(multiply_add_peak(pool)), bytes_per_s(memory_bandwidth(pool)) {}

Suite::Suite(const std::vector<int>& thread_counts) {
  for (const int count : thread_counts) {
    threads_.push_back(std::make_unique<Threads>(count));
    benchmark::AddCustomContext(
        fmt::format("bounds/threads:{}", count),
        fmt::format("{:.1f} GFLOP/s, {:.1f} GB/s", threads_.back()->flops_per_s * 1e-9,
                    threads_.back()->bytes_per_s * 1e-9));
  }
}

void Suite::add(const std::vector<Timed>& rows) const {
  for (const std::unique_ptr<Threads>& made : threads_) {
    Threads* const threads = made.get();
    for (const auto& [row, prepare] : rows) {
      const std::string name =
          fmt::format("{}/{}/threads:{}{}{}", row.op, row.shape, threads->pool.threads(),
                      row.variant.empty() ? "" : "/", row.variant);
      const auto body = [threads, work = row.work, call = prepare](benchmark::State& state) {
        run(state, *threads, work, call);
      };
      benchmark::RegisterBenchmark(name.c_str(), body)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace trifold::bench
