/// What a network costs, counted on its graph.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/graph.h"

namespace trifold::pruning {

/// Cost of one node for one image.
struct NodeCost {
  std::int64_t macs = 0;         ///< multiply-accumulates of convolutions and linear layers
  std::int64_t params = 0;       ///< trained values, gamma and beta among them
  std::int64_t activations = 0;  ///< values that the node yields
};

struct Cost {
  std::vector<NodeCost> nodes;
  std::int64_t macs = 0, params = 0, activations = 0;

  /// Floating-point operations: a multiply-accumulate is two.
  std::int64_t flops() const { return 2 * macs; }
};

/// Cost for images of side x side pixels. Batch norms, poolings and sums add no MACs.
/// Errors    ShapeError: as nn::infer_extents.
Cost count_cost(const nn::Graph& graph, std::int64_t side);

}  // namespace trifold::pruning
