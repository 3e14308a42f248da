/// Making items ahead of their use on a background thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace trifold::nn {

/// Calls `produce` on one background thread until it returns nothing, and keeps at most `depth`
/// finished items. An exception of `produce` ends the thread and is thrown by the pop() that would
/// have returned its item, and by every later one. The destructor waits for the item in work alone.
template <class T>
class Prefetcher {
 public:
  using Produce = std::function<std::optional<T>()>;

  /// `depth` >= 1.
  Prefetcher(Produce produce, std::int64_t depth)
      : produce_(std::move(produce)), depth_(static_cast<std::size_t>(depth)) {
    thread_ = std::thread([this] { run(); });
  }

  ~Prefetcher() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_one();
    thread_.join();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The next item, in the order of production; nothing once production has ended.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return !items_.empty() || ended_; });
    if (items_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return std::nullopt;
    }
    std::optional<T> item = std::move(items_.front());
    items_.pop_front();
    room_.notify_one();
    return item;
  }

 private:
  void run() {
    try {
      while (std::optional<T> item = produce_()) {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [this] { return items_.size() < depth_ || stopping_; });
        if (stopping_) return;
        items_.push_back(std::move(*item));
        ready_.notify_one();
      }
      end(nullptr);
    } catch (...) {
      end(std::current_exception());
    }
  }

  void end(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(failure);
    ended_ = true;
    ready_.notify_one();
  }

  Produce produce_;
  std::size_t depth_;
  std::mutex mutex_;
  std::condition_variable ready_;  // an item came, or production ended
  std::condition_variable room_;   // an item went, or the owner goes
  std::deque<T> items_;
  std::exception_ptr failure_;
  bool ended_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace trifold::nn
