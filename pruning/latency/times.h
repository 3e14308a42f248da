/// The times of layers and networks: from tables, and measured where these don't have them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "pruning/latency/stopwatch.h"
#include "pruning/latency/time_table.h"

namespace trifold::pruning {

/// Every time that is used is in `own` from then on; `shared`, where there is one, is asked before
/// anything is measured, and learns what was.
class Times {
 public:
  Times(std::unique_ptr<Stopwatch> stopwatch, TimeTable own,
        std::optional<TimeTable> shared = std::nullopt);

  /// Seconds of a layer. Channels are measured at 1, 2, 3, 4, 6, 8, 12, 16, 24, ... alone, and
  /// between them time is taken for linear in each; filters count as the multiple that a
  /// convolution computes at once.
  double seconds(const Layer& layer);
  /// Seconds of a whole network, folded, measured at one go.
  double seconds(const nn::Graph& graph, std::int64_t side);

  /// Measurements that were made, for no table had them.
  std::int64_t measured() const { return measured_; }
  const TimeTable& own() const { return own_; }
  std::string context() const { return stopwatch_->context(); }
  /// Writes both tables.
  /// Errors    as TimeTable::save().
  void save();

 private:
  template <class Measure>
  double look_up(const std::string& work, const Measure& measure);
  double at_measured_channels(const Layer& layer);

  std::unique_ptr<Stopwatch> stopwatch_;
  TimeTable own_;
  std::optional<TimeTable> shared_;
  std::map<Layer, double> known_;  // so that a layer is put into words once
  std::int64_t measured_ = 0;
};

}  // namespace trifold::pruning
