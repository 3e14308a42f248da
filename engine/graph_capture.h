/// Work on a device that is done again and again, captured as a graph where that is possible.
#pragma once

#include <functional>
#include <string>

#include "kernels/runtime/device.h"

namespace trifold::engine {

/// Does the same work many times: the first times plainly, so that all memory it needs is there;
/// then it is captured (kernels/runtime/graph.h), and from then on the graph is launched. Results
/// have the same bits either way. Where the capture fails, the work is done plainly for good.
class GraphCapture {
 public:
  explicit GraphCapture(Device device);
  ~GraphCapture();
  GraphCapture(const GraphCapture&) = delete;
  GraphCapture& operator=(const GraphCapture&) = delete;

  /// Calls work(), or repeats what a call has captured. Each call has to ask the device for the
  /// same work on the same arrays, which outlive this object; what varies is in the arrays. work()
  /// may be called twice, the first call having had no effect on the device.
  /// Errors    those of work().
  void run(const std::function<void()>& work);

  bool captured() const { return graph_ != nullptr; }
  /// Why the work can't be captured; empty as long as nothing speaks against it.
  const std::string& obstacle() const { return obstacle_; }

 private:
  void capture(const std::function<void()>& work);

  Device device_;
  int plain_runs_ = 0;
  kernels::DeviceGraph* graph_ = nullptr;
  std::string obstacle_;
};

}  // namespace trifold::engine
