/// Surgery: cuts blocks and channels out of a network, leaving a smaller network.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "nn/network.h"
#include "pruning/width.h"

namespace trifold::pruning {

/// What stays.
struct CutPlan {
  std::vector<bool> keep_block = {};  ///< one entry a block; empty: all stay
  UnitSelection units = {};           ///< as select_units gives it; an empty `keep`: all stay
};

/// Where the parts of a cut network come from.
struct ChannelMap {
  /// For every surviving node by name, the original index of each of its channels.
  std::map<std::string, std::vector<std::int64_t>> channels;
  /// The original index of every surviving block.
  std::vector<std::int64_t> blocks;
};

struct Cut {
  nn::Network network;
  ChannelMap origin;
};

/// Makes the smaller network. Who reads a removed block's output reads its input instead, so that
/// in a DenseNet the layer's new channels vanish from every later reader. Removed channels vanish
/// from every tensor, and parameters are sliced accordingly. A gather's source that is gone becomes
/// -1; an identity gather is dropped, and so are nodes that nothing reads any more. Names stay, and
/// a cut network can be cut again.
///
/// In inference, the result computes what the original does with the removed blocks bypassed and
/// the outputs of the batch norms set to zero in the removed channels. Parameters are copies on the
/// same device; the running statistics are copied too and stale: re-estimate them. Errors
/// ShapeError: a plan that does not fit the network, or that leaves a node no channel;
///           ConfigError: a removed block that can't be skipped.
Cut cut(const nn::Network& network, const CutPlan& plan);

/// The map of two cuts in a row, `first` from the original to a middle network, `second` from
/// there.
ChannelMap compose(const ChannelMap& first, const ChannelMap& second);

}  // namespace trifold::pruning
