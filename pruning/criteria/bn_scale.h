/// Network Slimming's criterion, which the sparsity term of training is made for.
#pragma once

#include "pruning/criterion.h"

namespace trifold::pruning {

/// The mean of |gamma| over the batch norms of the coupled channels, as unit_scores() has it.
class BnScale : public ChannelCriterion {
 public:
  static constexpr const char* name = "bn-scale";
  static constexpr const char* help = "|gamma| of the batch norms";

  bool judges_without_norm() const override { return false; }
  std::vector<double> scores(const nn::Network& network, const Units& units,
                             const Evidence&) const override {
    return unit_scores(network, units.mode);
  }
};

}  // namespace trifold::pruning
