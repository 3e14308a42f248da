/// The units of depth of a graph that no builder has named.
#pragma once

#include <vector>

#include "nn/graph.h"

namespace trifold::nn {

/// A block is what lies between the two operands of a residual add (an Add, or a batch norm with a
/// residual), or between the first operand of a Concat and the others: where every path from the
/// image to its output goes through its input. It can be skipped where the residual is the input
/// itself. Blocks of one extent, and in a residual network of one number of channels, are a stage; a
/// name is what those of its convolutions and batch norms have in common.
/// Errors    as infer_extents().
std::vector<Block> find_blocks(const Graph& graph, std::int64_t side);

}  // namespace trifold::nn
