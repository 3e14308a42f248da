#include "kernels/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/error.h"

namespace trifold::kernels {
namespace {

/// Ranges a thread, so that a thread that was held up leaves work to the others.
constexpr std::int64_t kRangesPerThread = 4;
/// Looks at the job number before a worker sleeps: kernels follow each other closely.
constexpr int kSpins = 2000;

/// True while this thread runs a body: nested calls then stay on the thread.
thread_local bool inside_body = false;

}  // namespace

struct ThreadPool::State {
  explicit State(int thread_count) : threads(thread_count) {
    for (int i = 1; i < threads; ++i) workers.emplace_back([this] { work(); });
  }

  ~State() {
    {
      std::lock_guard lock(mutex);
      stopping = true;
      job.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void work() {
    std::uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && job.load(std::memory_order_acquire) == seen; ++i) {
      }
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return job.load(std::memory_order_relaxed) != seen; });
        seen = job.load(std::memory_order_relaxed);
        if (stopping) return;
      }
      take_ranges();
      std::lock_guard lock(mutex);
      if (--running == 0) done.notify_one();
    }
  }

  /// Runs ranges of the current job until none is left.
  void take_ranges() {
    inside_body = true;
    for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < ranges;) {
      try {
        (*body)(count * i / ranges, count * (i + 1) / ranges);
      } catch (...) {  // carried to the caller of parallel_for
        std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
    }
    inside_body = false;
  }

  const int threads;
  std::mutex mutex;
  std::mutex one_caller;  // several threads may share a pool: one job at a time
  std::condition_variable wake, done;
  std::atomic<std::uint64_t> job{0};
  std::atomic<std::int64_t> next{0};
  // Written by the caller under `mutex` before `job` changes, read by the workers after.
  std::int64_t count = 0, ranges = 0;
  const std::function<void(std::int64_t, std::int64_t)>* body = nullptr;
  int running = 0;
  bool stopping = false;
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
  {
    std::lock_guard lock(s.mutex);
    s.count = count;
    s.ranges = std::min(count, s.threads * kRangesPerThread);
    s.body = &body;
    s.running = s.threads - 1;
    s.error = nullptr;
    s.next.store(0, std::memory_order_relaxed);
    s.job.fetch_add(1, std::memory_order_release);
  }
  s.wake.notify_all();
  s.take_ranges();
  std::unique_lock lock(s.mutex);
  s.done.wait(lock, [&] { return s.running == 0; });
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

}  // namespace trifold::kernels
