/// Which channels of a network can only go together.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/graph.h"

namespace trifold::pruning {

/// What a width of w means.
/// inner: only channels that live inside a residual block are cut; in a DenseNet, each layer
/// selects its inputs. The streams between the blocks keep their width, so cost falls about with w.
/// stream: every channel can be cut, those of the residual stream in step with all layers that
/// share it. Cost falls about with w^2.
enum class WidthMode { inner, stream };

/// One channel of one batch norm.
struct BatchNormChannel {
  nn::NodeId node;
  std::int64_t channel;
};

/// A set of coupled channels that stays or goes as one.
struct ChannelClass {
  nn::NodeId home;                        ///< the node that first makes a channel of the class
  std::vector<BatchNormChannel> members;  ///< the batch norms that scale it
  bool prunable;                          ///< in the given mode
};

/// The coupling of a graph. `classes[node][channel]` is the class of a channel, or -1 for one that
/// is never cut: the image's and the logits.
struct Coupling {
  std::vector<std::vector<std::int64_t>> of_node;
  std::vector<ChannelClass> classes;
};

/// A convolution makes channels; batch norms, activations and poolings pass them on; a residual
/// ties the channels that it adds to; a concatenation strings them together. A ChannelGather makes
/// channels of its own: whether its source is cut (it then reads zeros) or the channel itself is
/// cut are two independent matters.
Coupling couple_channels(const nn::Graph& graph, WidthMode mode);

/// The graph in which `mode` can be expressed: for inner, an identity ChannelGather stands in front
/// of every batch norm that reads a stream which others read as well, so that its inputs can be
/// selected.
nn::Graph prepare(const nn::Graph& graph, WidthMode mode);

}  // namespace trifold::pruning
