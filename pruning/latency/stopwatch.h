/// How long inference takes on a device.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/runtime/exec.h"
#include "nn/graph.h"
#include "pruning/latency/layer.h"

namespace trifold::pruning {

/// Takes times, all in seconds and of one batch.
class Stopwatch {
 public:
  virtual ~Stopwatch() = default;

  /// All that decides a time beside the work itself, in words: times of the same words can stand in
  /// for each other.
  virtual std::string context() const = 0;
  /// Convolutions of fewer filters than the next multiple of this take as long as that.
  virtual std::int64_t filters_at_once() const = 0;
  virtual double seconds(const Layer& layer) = 0;
  /// Of a whole network, folded as it is deployed, for images of side x side.
  virtual double seconds(const nn::Graph& graph, std::int64_t side) = 0;
};

/// The time on a real device: the median of at least five runs, and of as many as a few
/// milliseconds take, after one to warm up.
class DeviceStopwatch : public Stopwatch {
 public:
  /// What `ex` refers to outlives this object.
  DeviceStopwatch(const kernels::Exec& ex, std::int64_t batch) : ex_(ex), batch_(batch) {}

  std::string context() const override;
  std::int64_t filters_at_once() const override;
  double seconds(const Layer& layer) override;
  double seconds(const nn::Graph& graph, std::int64_t side) override;

 private:
  kernels::Exec ex_;
  std::int64_t batch_;
};

}  // namespace trifold::pruning
