/// DBP's criterion for blocks.
#pragma once

#include "pruning/criterion.h"
#include "pruning/probe.h"

namespace trifold::pruning {

/// What linear classifiers behind the blocks gain from each, as probe_blocks() measures it.
class Probe : public BlockCriterion {
 public:
  static constexpr const char* name = "probe";
  static constexpr const char* help = "gain of linear classifiers behind each block";

  std::vector<double> importance(const nn::Network& network, const Evidence& e) const override {
    ProbeOptions options;
    options.images = e.images;
    options.seed = e.seed;
    return probe_blocks(network, e.train, e.held_out, e.normalisation, e.size, e.ex, options)
        .importance;
  }
};

}  // namespace trifold::pruning
