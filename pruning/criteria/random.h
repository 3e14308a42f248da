/// The criteria that know nothing: what others have to beat.
#pragma once

#include "engine/random.h"
#include "pruning/criterion.h"

namespace trifold::pruning {

/// Uniform numbers, a function of the seed and the unit's index.
class RandomChannels : public ChannelCriterion {
 public:
  static constexpr const char* name = "random";
  static constexpr const char* help = "any channels, by the seed";

  bool judges_without_norm() const override { return true; }
  std::vector<double> scores(const nn::Network&, const Units& units,
                             const Evidence& evidence) const override {
    engine::Random random(evidence.seed, engine::random_streams::criterion);
    std::vector<double> scores;
    for (std::size_t i = 0; i < units.units.size(); ++i) scores.push_back(random.uniform());
    return scores;
  }
};

/// Uniform numbers, a function of the seed and the block's index.
class RandomBlocks : public BlockCriterion {
 public:
  static constexpr const char* name = "random";
  static constexpr const char* help = "any blocks, by the seed";

  std::vector<double> importance(const nn::Network& network,
                                 const Evidence& evidence) const override {
    engine::Random random(evidence.seed, engine::random_streams::criterion, 1);
    std::vector<double> importance;
    for (std::size_t i = 0; i < network.graph().blocks.size(); ++i) {
      importance.push_back(random.uniform());
    }
    return importance;
  }
};

}  // namespace trifold::pruning
