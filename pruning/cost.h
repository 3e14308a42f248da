/// What a network costs to run, counted on its graph.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/graph.h"

namespace trifold::pruning {

/// One node's share, for one image.
struct NodeCost {
  std::int64_t macs = 0;         ///< multiply-accumulates of a convolution or linear layer, else 0
  std::int64_t params = 0;       ///< trainable parameters; running statistics don't count
  std::int64_t activations = 0;  ///< elements of the result
};

struct Cost {
  std::vector<NodeCost> nodes;  ///< in the order of the graph's nodes
  std::int64_t macs = 0;
  std::int64_t params = 0;
  std::int64_t activations = 0;
  /// A multiply-accumulate is two floating-point operations.
  std::int64_t flops() const { return 2 * macs; }
};

/// Counts the cost for one image of side x side: a convolution has p q k r s c MACs, a linear layer
/// in * out.
/// Errors    ShapeError: the side is too small for the network.
Cost count_cost(const nn::Graph& graph, std::int64_t side);

/// The paper's cost ratio, d w^2 r^2, for fractions of depth, width and resolution. It holds where
/// all channels shrink, those of the residual stream too.
/// Source    Wang et al., "Accelerate CNNs from Three Dimensions", ICML 2021, section 3.2.
double paper_cost(double depth, double width, double resolution);

}  // namespace trifold::pruning
