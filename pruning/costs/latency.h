/// Measured time of inference on a device.
#pragma once

#include "pruning/cost_model.h"
#include "pruning/latency/times.h"

namespace trifold::pruning {

/// How the times of a network's layers make up its own: whole = overhead + factor * their sum.
struct LatencyCalibration {
  double overhead_seconds = 0;
  double factor = 1;
  double error = 0;           ///< greatest relative difference, predicted to measured
  std::int64_t networks = 0;  ///< that were measured whole
};

/// The sum of the layers' times misses what networks cost beside their layers, and that layers
/// following each other find their input in the cache. So a few networks are measured whole: the
/// original, and those of half of its side, half of its channels, the fewest blocks, and all of
/// these. Overhead and factor are fitted to them, non-negative, by the least relative squares.
class Latency : public CostModel {
 public:
  static constexpr const char* name = "latency";
  static constexpr const char* help = "measured time of inference on this device";

  /// `times` outlives the model.
  /// Errors    ConfigError: there are no times. As Times::seconds().
  Latency(const nn::Graph& original, std::int64_t side, Times* times);

  double ratio(const map::Point&, const nn::Graph& graph, std::int64_t side) const override {
    return seconds(graph, side) / full_;
  }
  /// o + (1 - o) d^a w^b r^c: what stays whatever is cut, and a power law. Of the shares o from 0 in
  /// steps of 1/50 below the least sample that of the least relative squares.
  map::CostModel continuous(const std::vector<CostSample>& samples) const override;
  /// It may: fewer channels can need a gather that all of them don't, and times are noisy.
  bool may_fall_with_width() const override { return true; }

  /// Predicted time of a batch.
  double seconds(const nn::Graph& graph, std::int64_t side) const;
  double original_seconds() const { return full_; }
  const LatencyCalibration& calibration() const { return calibration_; }

 private:
  double sum_of_layers(const nn::Graph& graph, std::int64_t side) const;
  void calibrate(const nn::Graph& original, std::int64_t side);

  Times* times_;
  LatencyCalibration calibration_;
  double full_ = 0;
};

}  // namespace trifold::pruning
