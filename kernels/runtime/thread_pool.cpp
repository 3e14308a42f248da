#include "kernels/runtime/thread_pool.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/runtime/error.h"

namespace trifold::kernels {
namespace {

/// Ranges a thread, so that a thread that was held up leaves work to the others.
constexpr std::uint32_t kRangesPerThread = 4;
/// Looks before a thread sleeps, each some tens of nanoseconds apart: kernels follow each other
/// closely, and to wake a thread takes longer than most pauses between them.
constexpr int kSpins = 2000;

/// True while this thread runs a body: nested calls then stay on the thread.
thread_local bool inside_body = false;

/// Waits until `word` is no longer `value`, and returns what it is then.
std::uint32_t await_change(const std::atomic<std::uint32_t>& word, std::uint32_t value) {
  for (int i = 0; i < kSpins; ++i) {
    const std::uint32_t now = word.load(std::memory_order_acquire);
    if (now != value) return now;
    hwy::Pause();
  }
  word.wait(value, std::memory_order_acquire);
  return word.load(std::memory_order_acquire);
}

}  // namespace

struct ThreadPool::State {
  explicit State(int thread_count) : threads(thread_count) {
    try {
      for (int i = 1; i < threads; ++i) workers.emplace_back([this] { work(); });
    } catch (const std::exception& e) {
      const std::size_t started = workers.size();
      stop();
      throw Error(fmt::format("{} CPU threads can't be started, only {} ({}); ask for fewer",
                              threads, started + 1, e.what()));
    }
  }

  ~State() { stop(); }

  void stop() {
    open.store(kStop, std::memory_order_release);
    open.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void work() {
    while (await_change(open, 0) != kStop) take_ranges();
  }

  /// Runs ranges of the current job until none is left. A range that was taken keeps its job from
  /// ending, and with it `count`, `ranges` and `body` from changing; without one, none is read.
  void take_ranges() {
    inside_body = true;
    std::uint32_t left = open.load(std::memory_order_acquire);
    while (left != 0 && left != kStop) {
      if (!open.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel)) continue;
      const std::int64_t i = ranges - left;
      try {
        (*body)(count * i / ranges, count * (i + 1) / ranges);
      } catch (...) {  // carried to the caller of parallel_for
        std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
      if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished.notify_one();
      left = open.load(std::memory_order_acquire);
    }
    inside_body = false;
  }

  static constexpr std::uint32_t kStop = ~std::uint32_t{0};

  const int threads;
  std::mutex one_caller;  // several threads may share a pool: one job at a time
  // The job: written by the caller while no range is open, published by `open`.
  std::int64_t count = 0, ranges = 0;
  const std::function<void(std::int64_t, std::int64_t)>* body = nullptr;
  std::atomic<std::uint32_t> open{0};        // ranges that no thread has taken
  std::atomic<std::uint32_t> unfinished{0};  // ranges that have not ended
  std::mutex error_mutex;
  std::exception_ptr error;
  std::vector<std::thread> workers;
};

ThreadPool::ThreadPool(int threads) {
  require<ConfigError>(threads >= 0, "a thread pool can't have {} threads; ask for 0 or more",
                       threads);
  if (threads == 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  state_ = std::make_unique<State>(threads);
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const { return state_->threads; }

void ThreadPool::parallel_for(std::int64_t count,
                              const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count <= 0) return;
  State& s = *state_;
  if (s.threads == 1 || count == 1 || inside_body) {
    body(0, count);
    return;
  }
  std::lock_guard one(s.one_caller);
  s.count = count;
  s.ranges = std::min<std::int64_t>(count, s.threads * std::int64_t{kRangesPerThread});
  s.body = &body;
  s.error = nullptr;
  const auto ranges = static_cast<std::uint32_t>(s.ranges);
  s.unfinished.store(ranges, std::memory_order_relaxed);
  s.open.store(ranges, std::memory_order_release);
  s.open.notify_all();
  s.take_ranges();
  for (std::uint32_t left; (left = s.unfinished.load(std::memory_order_acquire)) != 0;) {
    await_change(s.unfinished, left);
  }
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

}  // namespace trifold::kernels
