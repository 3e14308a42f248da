#include "engine/graph_capture.h"

#include "kernels/runtime/error.h"
#include "kernels/runtime/graph.h"
#include "kernels/runtime/profile.h"

namespace trifold::engine {
namespace {

/// What a run asks for in vain is in the pool from then on, where the next one may choose
/// otherwise; so the first run alone isn't enough.
constexpr int most_plain_runs = 3;

class PoolInUse {
 public:
  PoolInUse(Device device, const void* pool) : device_(device) { kernels::use_pool(device, pool); }
  ~PoolInUse() { kernels::use_pool(device_, nullptr); }
  PoolInUse(const PoolInUse&) = delete;
  PoolInUse& operator=(const PoolInUse&) = delete;

 private:
  Device device_;
};

}  // namespace

GraphCapture::GraphCapture(Device device) : device_(device) {
  if (!kernels::has_graphs(device)) {
    obstacle_ = "just a CUDA device has graphs";
  } else if (kernels::is_profiling()) {
    obstacle_ = "a profile waits for every kernel";
  }
}

GraphCapture::~GraphCapture() {
  if (graph_ != nullptr) kernels::destroy_graph(device_, graph_);
  kernels::drop_pool(device_, this);
}

void GraphCapture::run(const std::function<void()>& work) {
  if (graph_ == nullptr && obstacle_.empty()) {
    const PoolInUse pool(device_, this);
    if (plain_runs_ < most_plain_runs) {
      ++plain_runs_;
      return work();
    }
    capture(work);
  }
  if (graph_ != nullptr) return kernels::launch_graph(device_, graph_);
  work();
}

void GraphCapture::capture(const std::function<void()>& work) {
  kernels::begin_capture(device_);
  try {
    work();
  } catch (const std::exception& e) {  // done plainly, the work throws it again if it isn't CUDA's
    obstacle_ = e.what();
  }
  try {
    graph_ = kernels::end_capture(device_);
  } catch (const DeviceError& e) {
    if (obstacle_.empty()) obstacle_ = e.what();
  }
  if (obstacle_.empty()) return;
  // What was asked for before the failure may have been captured well: it isn't all of the work.
  if (graph_ != nullptr) kernels::destroy_graph(device_, graph_);
  graph_ = nullptr;
  kernels::drop_pool(device_, this);
}

}  // namespace trifold::engine
