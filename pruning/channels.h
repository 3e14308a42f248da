/// Which channels of a network can only be removed together.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/graph.h"

namespace trifold::pruning {

/// Index of a set of coupled channels.
using ClassId = std::int64_t;

/// Instead of a class, of the channels that stay: those of the image and of the logits.
inline constexpr ClassId unprunable = -1;

/// One set of coupled channels. All nodes ascend.
struct ChannelClass {
  struct Member {
    nn::NodeId node;
    std::int64_t channel;
  };
  /// The channels of the ops that make them: of convolutions, linear layers and channel gathers.
  std::vector<Member> producers;
  /// The channels of batch norms that scale them.
  std::vector<Member> batch_norms;
  /// All nodes that yield these channels.
  std::vector<nn::NodeId> nodes;

  /// Whether these channels are a gather's alone: no other node needs their number, and they are
  /// pointless without their source.
  bool is_selection(const nn::Graph& graph) const;
};

/// The coupling of all channels of a graph.
struct Coupling {
  std::vector<ChannelClass> classes;
  /// The class of channel c of node i is of[i][c].
  std::vector<std::vector<ClassId>> of;

  ClassId class_of(nn::NodeId node, std::int64_t channel) const {
    return of[static_cast<std::size_t>(node)][static_cast<std::size_t>(channel)];
  }
  const ChannelClass& operator[](ClassId id) const { return classes[static_cast<std::size_t>(id)]; }
};

/// Whether the op weighs its inputs to make each of its channels: a convolution or a linear layer.
inline bool makes_by_weights(const nn::Op& op) {
  return std::holds_alternative<nn::Conv2d>(op) || std::holds_alternative<nn::Linear>(op);
}

/// Finds the coupling by the ops' nn::ChannelFlow: a convolution's filters, a linear layer's outputs
/// and a gather's start classes of their own; batch norm, ReLU, sigmoids, dropout, depthwise convolution
/// and pooling pass channels on; flatten makes several of each; a convolution in groups ties those that
/// a group reads to one another and to those that it makes; concat joins them in a row; a residual,
/// Add and what scales channels tie them pairwise. A gather doesn't tie its outputs to their sources, since zeros can stand
/// in for a source that is gone. The channels of the image and of the network's result are in no
/// class. Classes are numbered by their first channel.
Coupling find_coupling(const nn::Graph& graph);

}  // namespace trifold::pruning
