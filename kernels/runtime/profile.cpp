#include "kernels/runtime/profile.h"

#include <atomic>
#include <chrono>
#include <mutex>

#include "kernels/runtime/memory.h"

namespace trifold::kernels {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostCalls = std::size_t{1} << 20;

struct Recording {
  std::mutex mutex;
  Clock::time_point start;
  std::map<std::string, ProfiledOp> ops;
  std::vector<ProfiledCall> calls;
};

// Outside of the recording: it is read at every call of a kernel.
std::atomic<bool> running{false};

Recording& recording() {
  static Recording r;
  return r;
}

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - recording().start)
      .count();
}

int thread_number() {
  static std::atomic<int> threads{0};
  thread_local const int number = threads++;
  return number;
}

}  // namespace

void start_profile() {
  Recording& r = recording();
  std::lock_guard lock(r.mutex);
  r.ops.clear();
  r.calls.clear();
  r.start = Clock::now();
  running.store(true, std::memory_order_release);
}

void stop_profile() { running.store(false, std::memory_order_release); }

bool is_profiling() { return running.load(std::memory_order_acquire); }

std::map<std::string, ProfiledOp> profiled_ops() {
  Recording& r = recording();
  std::lock_guard lock(r.mutex);
  return r.ops;
}

std::vector<ProfiledCall> profiled_calls() {
  Recording& r = recording();
  std::lock_guard lock(r.mutex);
  return r.calls;
}

ProfiledScope::ProfiledScope(const Exec& ex, const char* op)
    : ex_(ex), op_(op), begin_(is_profiling() ? now() : -1) {}

ProfiledScope::~ProfiledScope() {
  if (begin_ < 0 || !is_profiling()) return;
  if (ex_.device.kind == DeviceKind::cuda) synchronize(ex_.device, ex_.stream);
  const std::int64_t end = now();
  Recording& r = recording();
  std::lock_guard lock(r.mutex);
  ProfiledOp& sum = r.ops[op_];
  ++sum.calls;
  sum.seconds += static_cast<double>(end - begin_) * 1e-9;
  if (r.calls.size() < kMostCalls) r.calls.push_back({op_, begin_, end, thread_number()});
}

}  // namespace trifold::kernels
