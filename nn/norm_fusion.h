/// Which batch norms of a graph disappear in the convolutions around them while it is trained.
#pragma once

#include <vector>

#include "nn/graph.h"

namespace trifold::nn {

/// By node. With statistics of the batch, a batch norm needs the moments of what it reads, which
/// whoever writes that can take on the way; then it is a scale and a shift, which whoever reads its
/// result can apply on the way.
struct NormFusion {
  /// Whether the node is a batch norm without residual that a convolution without bias alone reads.
  std::vector<bool> part_of_convolution;
  /// Whether batch norms take the moments of the node's result, themselves or from a Concat of it,
  /// whose channels keep their moments.
  std::vector<bool> moments;
};

NormFusion plan_norm_fusion(const Graph& graph);

}  // namespace trifold::nn
