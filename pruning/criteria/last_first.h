/// The rule of thumb for blocks.
#pragma once

#include "pruning/criterion.h"

namespace trifold::pruning {

/// The later a block, the sooner it goes.
class LastFirst : public BlockCriterion {
 public:
  static constexpr const char* name = "last-first";
  static constexpr const char* help = "the last blocks go first";

  std::vector<double> importance(const nn::Network& network, const Evidence&) const override {
    const auto count = std::ssize(network.graph().blocks);
    std::vector<double> importance;
    for (std::int64_t i = 0; i < count; ++i) importance.push_back(static_cast<double>(count - i));
    return importance;
  }
};

}  // namespace trifold::pruning
