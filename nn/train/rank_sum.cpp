#include "nn/train/rank_sum.h"

#include "kernels/runtime/stream.h"

namespace trifold::nn {

RankSum::RankSum(const kernels::Collective& group, const kernels::Exec& ex, float* x)
    : group_(group),
      // The caller's threads are busy with the caller's work.
      ex_{.device = ex.device, .stream = kernels::create_stream(ex.device)},
      made_on_(ex.stream),
      x_(x),
      thread_([this] { run(); }) {}

RankSum::~RankSum() {
  end();
  kernels::destroy_stream(ex_.device, ex_.stream);
}

void RankSum::add(std::int64_t first, std::int64_t count) {
  kernels::DeviceEvent* const made = kernels::create_event(ex_.device);
  kernels::record_event(ex_.device, made, made_on_);
  const std::lock_guard lock(mutex_);
  waiting_.push_back({first, count, made});
  changed_.notify_one();
}

void RankSum::finish() {
  end();
  if (error_) std::rethrow_exception(error_);
}

void RankSum::end() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

void RankSum::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Piece piece = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    try {
      if (!error_) sum(piece);
    } catch (...) {
      error_ = std::current_exception();  // finish() throws it
    }
    kernels::destroy_event(ex_.device, piece.made);
  }
}

void RankSum::sum(const Piece& piece) {
  kernels::wait_for_event(ex_.device, ex_.stream, piece.made);
  group_.sum(ex_, piece.count, x_ + piece.first);
  kernels::synchronize(ex_.device, ex_.stream);
}

}  // namespace trifold::nn
