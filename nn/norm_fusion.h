/// Which batch norms of a graph disappear in the convolutions around them while it is trained.
#pragma once

#include <vector>

#include "nn/graph.h"

namespace trifold::nn {

/// By node. With statistics of the batch, a batch norm needs the moments of what it reads, which
/// whoever writes that can take on the way; then it is a scale and a shift, which whoever reads its
/// result can apply on the way. In the backward pass it is the other way round: see
/// engine/fused_ops.h.
struct NormFusion {
  /// Whether the node is a batch norm without residual that a convolution without bias alone reads.
  std::vector<bool> part_of_convolution;
  /// The convolution without bias that reads a batch norm's result first, before any other reader,
  /// and so is the last to give it a gradient; -1 for all other nodes.
  std::vector<NodeId> first_reader;
  /// Whether the node is a convolution without bias whose result a batch norm alone reads.
  std::vector<bool> norm_alone_reads;
  /// Whether batch norms take the moments of the node's result, themselves or from a Concat of it,
  /// whose channels keep their moments.
  std::vector<bool> moments;
  /// The Concat that a Concat's result grows into in place, where that one alone reads it beside
  /// convolutions that take a batch norm in, which can read the first channels of a wider value; -1
  /// for all other nodes. So a dense block is written once, and not again by each of its layers.
  std::vector<NodeId> grows_into;
  /// How many channels each node yields.
  std::vector<std::int64_t> channels;
};

NormFusion plan_norm_fusion(const Graph& graph);

}  // namespace trifold::nn
