#include "nn/train/rank_sum.h"

#include "kernels/runtime/stream.h"

namespace trifold::nn {

RankSum::RankSum(const kernels::Collective& group, const kernels::Exec& ex)
    : group_(group),
      // The caller's threads are busy with the caller's work.
      ex_{.device = ex.device, .stream = kernels::create_stream(ex.device)},
      made_on_(ex.stream),
      thread_([this] { run(); }) {}

RankSum::~RankSum() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  thread_.join();
  kernels::destroy_stream(ex_.device, ex_.stream);
}

void RankSum::add(std::int64_t count, float* x) {
  kernels::DeviceEvent* const made = kernels::create_event(ex_.device);
  kernels::record_event(ex_.device, made, made_on_);
  const std::lock_guard lock(mutex_);
  unfinished_.push_back({count, x, made});
  changed_.notify_all();
}

void RankSum::finish() {
  wait();
  if (error_) std::rethrow_exception(error_);
}

void RankSum::wait() noexcept {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return unfinished_.empty(); });
}

void RankSum::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ended_ || !unfinished_.empty(); });
    if (unfinished_.empty()) return;
    const Piece piece = unfinished_.front();
    lock.unlock();
    std::exception_ptr failure = error_;  // which this thread alone sets
    try {
      if (!failure) sum(piece);
    } catch (...) {
      failure = std::current_exception();  // finish() throws it
    }
    kernels::destroy_event(ex_.device, piece.made);
    lock.lock();
    error_ = failure;
    unfinished_.pop_front();
    changed_.notify_all();
  }
}

void RankSum::sum(const Piece& piece) {
  kernels::wait_for_event(ex_.device, ex_.stream, piece.made);
  group_.sum(ex_, piece.count, piece.x);
  kernels::synchronize(ex_.device, ex_.stream);
}

}  // namespace trifold::nn
