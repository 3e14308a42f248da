/// The L1 norm of a channel's filters.
#pragma once

#include <cmath>

#include "pruning/criterion.h"
#include "pruning/unit_weights.h"

namespace trifold::pruning {

/// sum |w| of the channel's filter, the mean over the coupled layers, over the mean of its group (see
/// scores_by_slices()).
/// Source    Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, section 3.1.
class L1 : public ChannelCriterion {
 public:
  static constexpr const char* name = "l1";
  static constexpr const char* help = "L1 norm of the filters";

  bool judges_without_norm() const override { return true; }
  std::vector<double> scores(const nn::Network& network, const Units& units,
                             const Evidence&) const override {
    return scores_by_slices(network, units, norm);
  }

 private:
  static double norm(const std::vector<float>& weights) {
    double sum = 0;
    for (float w : weights) sum += std::abs(static_cast<double>(w));
    return sum;
  }
};

}  // namespace trifold::pruning
