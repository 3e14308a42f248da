/// Fork-join threads for the CPU kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace trifold::kernels {

/// A fixed set of threads that run index ranges together with the calling thread.
class ThreadPool {
 public:
  /// `threads` >= 1 counts the caller; 0: one a processor. Errors  Error: they can't be started.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  /// Calls body(begin, end) on disjoint ranges that cover [0, count), and returns when all are
  /// done. Which thread gets which range is not specified, so a body must not let its result depend
  /// on how the range was cut. An exception of a body is rethrown here once all ranges have ended.
  /// A call from inside a body runs on the calling thread alone.
  void parallel_for(std::int64_t count,
                    const std::function<void(std::int64_t begin, std::int64_t end)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trifold::kernels
