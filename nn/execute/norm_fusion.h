/// Which batch norms of a graph are worked by the convolutions around them while it is trained.
#pragma once

#include <vector>

#include "nn/graph.h"

namespace trifold::nn {

/// By node. In training a batch norm needs the statistics of what it reads, which the convolution
/// that writes that can take as it writes; then it is a scale and a shift, which the convolution
/// that reads its result can apply as it reads: kernels/norm_conv2d.h draws these steps and those
/// of the backward pass, engine/fused_ops.h has the ops.
struct NormFusion {
  /// Whether the node is a batch norm without residual that a convolution without bias alone reads.
  std::vector<bool> part_of_convolution;
  /// The convolution without bias that reads a batch norm's result first, before any other reader,
  /// and so is the last to give it a gradient; -1 for all other nodes.
  std::vector<NodeId> first_reader;
  /// The batch norm that alone reads the result of a convolution without bias; -1 for all other
  /// nodes.
  std::vector<NodeId> norm_behind;
  /// Whether batch norms take the statistics of the node's result, themselves or from a Concat of
  /// it, whose channels keep their statistics.
  std::vector<bool> statistics;
  /// The Concat that goes on in the place of a Concat's result, where that one alone reads it
  /// beside convolutions with a batch norm in front, which can read the first channels of a wider
  /// value; -1 for all other nodes. So a dense block is written once, and not again by each of its
  /// layers.
  std::vector<NodeId> in_place_successor;
  /// How many channels each node yields.
  std::vector<std::int64_t> channels;
};

NormFusion plan_norm_fusion(const Graph& graph);

}  // namespace trifold::nn
