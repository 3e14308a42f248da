#include "bench/kernels/suite.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <chrono>

#include "bench/kernels/multiply_add_peak.h"

namespace trifold::bench {
namespace {

void run(benchmark::State& state, Threads& threads, MemoryBandwidth& bandwidth, const Work& work,
         const Prepare& prepare) {
  const std::function<void()> call = prepare({.pool = &threads.pool});
  const double arithmetic = work.flops / threads.flops_per_s;
  const bool by_memory = arithmetic <= work.bytes / threads.bytes_per_s;
  const double before = by_memory ? bandwidth.measure(threads.pool, work.reads) : 0;
  call();
  const auto start = std::chrono::steady_clock::now();
  for ([[maybe_unused]] auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const double seconds = elapsed.count() / static_cast<double>(state.iterations());
  const double after = by_memory ? bandwidth.measure(threads.pool, work.reads) : 0;
  const double bound = by_memory ? 2 * work.bytes / (before + after) : arithmetic;
  state.counters["GFLOP/s"] = work.flops / seconds * 1e-9;
  state.counters["GB/s"] = work.bytes / seconds * 1e-9;
  state.counters["%bound"] = 100 * bound / seconds;
  state.SetLabel(by_memory ? "memory" : "arithmetic");
}

}  // namespace

Threads::Threads(int count, MemoryBandwidth& memory)
    : pool(count), flops_per_s(multiply_add_peak(pool)), bytes_per_s(memory.measure(pool, 2)) {}

Suite::Suite(const std::vector<int>& thread_counts) {
  for (const int count : thread_counts) {
    threads_.push_back(std::make_unique<Threads>(count, *memory_));
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
      const auto body = [threads, memory = memory_.get(), work = row.work, call = prepare](
                            benchmark::State& state) { run(state, *threads, *memory, work, call); };
      benchmark::RegisterBenchmark(name.c_str(), body)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace trifold::bench
