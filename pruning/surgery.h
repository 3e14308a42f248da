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
  UnitSelection units = {};
};

/// Where the parts of a cut network come from.
struct ChannelMap {
  /// For every surviving node by name, the original index of each of its channels. Nodes that the
  /// cut has inserted are not listed.
  std::map<std::string, std::vector<std::int64_t>> channels;
  /// The original index of every surviving block.
  std::vector<std::int64_t> blocks;
};

struct Cut {
  nn::Network network;
  ChannelMap origin;
};

/// Makes the smaller network.
///
/// Who reads a removed block's output reads its input instead, so that in a DenseNet the layer's
/// new channels vanish from every later reader. Removed units' channels vanish from every tensor,
/// and the parameters are sliced accordingly; a selection is a channel gather "<batch norm>.select"
/// before its reader. A gather's source that is gone becomes -1, or vanishes too where nothing else
/// needs the channel; an identity gather is dropped, as are nodes that nothing reads any more.
/// Names stay, and a cut network can be cut again.
///
/// The result computes what the original does with the removed blocks bypassed and the removed
/// channels' batch norm outputs set to zero, in inference mode. Parameters are copies on the same
/// device. The running statistics are copied too, and stale: re-estimate them.
/// Errors    ShapeError: a plan whose sizes don't fit the network. ConfigError: it removes a block
///           that can't be skipped, or all inputs of a layer; the text names it.
Cut cut(const nn::Network& network, const CutPlan& plan);

/// The map of two cuts in a row: `first` from the original to a middle network, `second` from there
/// on. Lists the nodes that the original has.
ChannelMap compose(const ChannelMap& first, const ChannelMap& second);

}  // namespace trifold::pruning
