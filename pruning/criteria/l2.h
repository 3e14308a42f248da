/// The L2 norm of a channel's filters.
#pragma once

#include <cmath>

#include "pruning/criterion.h"
#include "pruning/unit_weights.h"

namespace trifold::pruning {

/// sqrt(sum w^2) of the channel's filter, the mean over the coupled layers, over the mean of its group (see
/// scores_by_slices()).
/// Source    Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, section 3.1, by the
///           other norm.
class L2 : public ChannelCriterion {
 public:
  static constexpr const char* name = "l2";
  static constexpr const char* help = "L2 norm of the filters";

  bool judges_without_norm() const override { return true; }
  std::vector<double> scores(const nn::Network& network, const Units& units,
                             const Evidence&) const override {
    return scores_by_slices(network, units, norm);
  }

 private:
  static double norm(const std::vector<float>& weights) {
    double sum = 0;
    for (float w : weights) sum += static_cast<double>(w) * w;
    return std::sqrt(sum);
  }
};

}  // namespace trifold::pruning
