/// How much the loss would change without a channel, to first order.
#pragma once

#include "pruning/criterion.h"

namespace trifold::pruning {

/// With a gate of 1 on the channel, behind every batch norm that scales it (or, where none does,
/// behind the convolutions that make it), the squared derivative of the loss by the gate, averaged
/// over at most 20 batches of 100 training images. For a batch norm that derivative is
/// gamma dL/dgamma + beta dL/dbeta, for a filter the sum of w dL/dw and b dL/db; coupled layers add
/// up. Batch norms use the statistics of the batch, since those of a network just cut are stale.
/// Source    Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019,
///           section 3, equation 8 and the gates of section 3.1.
class Taylor : public ChannelCriterion {
 public:
  static constexpr const char* name = "taylor";
  static constexpr const char* help = "first-order change of the loss without the channel";

  bool judges_without_norm() const override { return true; }
  std::vector<double> scores(const nn::Network& network, const Units& units,
                             const Evidence& evidence) const override;
};

}  // namespace trifold::pruning
