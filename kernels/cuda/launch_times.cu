#include "kernels/cuda/launch_times.h"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/cuda/check.cuh"

namespace trifold::kernels::cuda {
namespace {

struct TimedLaunch {
  const char* kernel;
  cudaEvent_t begin, end;
};

// Outside of the list: it is read at every launch.
std::atomic<bool> running{false};

struct List {
  std::mutex mutex;
  std::vector<TimedLaunch> launches;
};

List& list() {
  static List all;
  return all;
}

cudaEvent_t event_now(const Exec& ex) {
  cudaEvent_t event = nullptr;
  TRIFOLD_CUDA_CHECK(cudaEventCreate(&event));
  TRIFOLD_CUDA_CHECK(cudaEventRecord(event, stream_of(ex)));
  return event;
}

}  // namespace

cudaEvent_t begin_launch(const Exec& ex) {
  return running.load(std::memory_order_acquire) ? event_now(ex) : nullptr;
}

void end_launch(const Exec& ex, const char* kernel_name, cudaEvent_t begin) {
  if (begin == nullptr) return;
  const cudaEvent_t end = event_now(ex);
  const std::lock_guard lock(list().mutex);
  list().launches.push_back({kernel_name, begin, end});
}

void start_launch_times() { running.store(true, std::memory_order_release); }

std::map<std::string, LaunchTimes> stop_launch_times(Device device) {
  running.store(false, std::memory_order_release);
  TRIFOLD_CUDA_CHECK(cudaSetDevice(device.index));
  TRIFOLD_CUDA_CHECK(cudaDeviceSynchronize());
  const std::lock_guard lock(list().mutex);
  std::map<std::string, LaunchTimes> times;
  for (const TimedLaunch& launch : std::exchange(list().launches, {})) {
    float milliseconds = 0;
    TRIFOLD_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, launch.begin, launch.end));
    TRIFOLD_CUDA_CHECK(cudaEventDestroy(launch.begin));
    TRIFOLD_CUDA_CHECK(cudaEventDestroy(launch.end));
    LaunchTimes& sum = times[launch.kernel];
    ++sum.launches;
    sum.seconds += 1e-3 * static_cast<double>(milliseconds);
  }
  return times;
}

}  // namespace trifold::kernels::cuda
