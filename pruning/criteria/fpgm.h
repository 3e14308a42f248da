/// Filter pruning via the geometric median.
#pragma once

#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

#include "pruning/criterion.h"
#include "pruning/unit_weights.h"

namespace trifold::pruning {

/// How far a channel's filter is from the other filters of its layer: the sum of the Euclidean
/// distances to those of its group. The filter for which it is least is the nearest to their
/// geometric median, and what it adds the others can stand in for. Coupled layers: the mean over
/// them; then over the mean of the group, as scores_by_slices() does.
/// Source    He et al., "Filter Pruning via Geometric Median for Deep Convolutional Neural Networks
///           Acceleration", CVPR 2019, section 3.3, equations 6 to 8.
class Fpgm : public ChannelCriterion {
 public:
  static constexpr const char* name = "fpgm";
  static constexpr const char* help = "distance from the geometric median of the filters";

  bool judges_without_norm() const override { return true; }
  std::vector<double> scores(const nn::Network& network, const Units& units,
                             const Evidence&) const override {
    UnitWeights weights(network, units.coupling);
    struct Filter {
      std::size_t unit;
      std::vector<float> values;
    };
    std::map<std::pair<std::int64_t, nn::NodeId>, std::vector<Filter>> filters;  // group, layer
    std::vector<double> layers(units.units.size(), 0.0);
    for (std::size_t i = 0; i < units.units.size(); ++i) {
      for (WeightSlice& slice : weights.slices(units.units[i])) {
        filters[{units.units[i].group, slice.node}].push_back({i, std::move(slice.values)});
        layers[i] += 1.0;
      }
    }
    std::vector<double> scores(units.units.size(), 0.0);
    for (const auto& [place, layer] : filters) {
      for (const Filter& a : layer) {
        for (const Filter& b : layer) scores[a.unit] += distance(a.values, b.values);
      }
    }
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] /= layers[i];
    divide_by_group_mean(units, scores);
    return scores;
  }

 private:
  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double difference = static_cast<double>(a[i]) - b[i];
      sum += difference * difference;
    }
    return std::sqrt(sum);
  }
};

}  // namespace trifold::pruning
