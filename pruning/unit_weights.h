/// The weights that belong to a unit of channels.
#pragma once

#include <map>
#include <vector>

#include "nn/network.h"
#include "pruning/channels.h"
#include "pruning/width.h"

namespace trifold::pruning {

/// One layer's weights of one channel.
struct WeightSlice {
  nn::NodeId node;  ///< the layer
  std::vector<float> values;
};

/// Looks up weights by units.
class UnitWeights {
 public:
  /// `coupling` is that of the units, Units::coupling; both it and the network outlive this.
  UnitWeights(const nn::Network& network, const Coupling& coupling);

  /// The weights by which every convolution and linear layer that makes the channel does so; of a
  /// selection, which none makes, what each convolution and linear layer behind its batch norm weighs
  /// the channel with.
  /// Errors    DivergedError: a weight isn't finite. ConfigError: no layer weighs a selected
  ///           channel.
  std::vector<WeightSlice> slices(const Unit& unit);

 private:
  const engine::Tensor& weights(nn::NodeId node);
  WeightSlice filter(nn::NodeId layer, std::int64_t channel);
  /// What the filters of its group weigh a channel with.
  WeightSlice of_group(nn::NodeId layer, const nn::GroupedConv2d& op, std::int64_t channel);
  struct Range {
    std::int64_t first, count;  ///< channels
  };
  void read_through(nn::NodeId node, const Range& channels, std::vector<WeightSlice>& slices);

  const nn::Network& network_;
  const Coupling& coupling_;
  std::vector<std::vector<nn::NodeId>> readers_;
  std::map<nn::NodeId, engine::Tensor> weights_;  // on the host
};

/// The slices of all units, each slice's score the mean of `measure` over the unit's slices, and
/// these divided by their mean over the unit's group: norms grow with the size of a filter, so that
/// those of different layers don't compare as they are. A group of zeros stays 0.
std::vector<double> scores_by_slices(const nn::Network& network, const Units& units,
                                     double (*measure)(const std::vector<float>&));

/// Divides every score by the mean of its group, where that is greater than 0.
void divide_by_group_mean(const Units& units, std::vector<double>& scores);

}  // namespace trifold::pruning
