/// Which channels and which blocks matter: the criteria that pruning goes by.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/runtime/exec.h"
#include "nn/data/dataset.h"
#include "nn/data/normalisation.h"
#include "nn/input_size.h"
#include "nn/network.h"
#include "pruning/width.h"

namespace trifold::pruning {

/// What a criterion may look at besides the network.
struct Evidence {
  const nn::Dataset& train;     ///< to learn from
  const nn::Dataset& held_out;  ///< to judge by
  const nn::Normalisation& normalisation;
  nn::InputSize size;  ///< of the images that the network is for
  kernels::Exec ex;
  std::uint64_t seed = 0;
  std::int64_t images = 10000;  ///< of `train`, at most
};

/// How channels are scored. Deterministic: the same network and evidence give the same scores, for
/// any number of threads.
class ChannelCriterion {
 public:
  virtual ~ChannelCriterion() = default;

  /// Whether it can say something of channels that no batch norm scales.
  virtual bool judges_without_norm() const = 0;

  /// A score for each unit of the network, finite, greater where more is lost without it. One
  /// threshold is laid over all groups, so that scores of different groups have to compare.
  /// Effects   none on the network.
  /// Errors    DivergedError: parameters that aren't finite.
  virtual std::vector<double> scores(const nn::Network& network, const Units& units,
                                     const Evidence& evidence) const = 0;
};

/// How blocks are scored; deterministic, too.
class BlockCriterion {
 public:
  virtual ~BlockCriterion() = default;

  /// The importance of each block, as select_blocks() takes it.
  /// Effects   none on the network.
  virtual std::vector<double> importance(const nn::Network& network,
                                         const Evidence& evidence) const = 0;
};

/// A criterion that can be asked for by name.
template <class Criterion>
struct CriterionEntry {
  std::string name, help;
  std::function<std::unique_ptr<Criterion>()> make;
};

/// All of them, the defaults first.
const std::vector<CriterionEntry<ChannelCriterion>>& channel_criteria();
const std::vector<CriterionEntry<BlockCriterion>>& block_criteria();

/// Errors    ConfigError that lists the names.
std::unique_ptr<ChannelCriterion> channel_criterion(const std::string& name);
std::unique_ptr<BlockCriterion> block_criterion(const std::string& name);

}  // namespace trifold::pruning
