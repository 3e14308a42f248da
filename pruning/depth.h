/// Depth: which blocks to keep, by their importance.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nn/graph.h"

namespace trifold::pruning {

/// The fewest blocks that can stay: those that can't be skipped, and one in every stage.
std::int64_t min_depth(const nn::Graph& graph);

/// Which blocks stay: removes the least important blocks that can be skipped until keep_count are
/// left, but never the last one of a stage. Among equal importances the later block goes first. A
/// smaller keep_count keeps a subset.
/// Errors    ShapeError: not one finite importance a block. TargetError: keep_count is below
///           min_depth() or above the number of blocks.
std::vector<bool> select_blocks(const nn::Graph& graph, std::span<const double> importance,
                                std::int64_t keep_count);

/// Kept blocks / all blocks; 1 where there are none.
double kept_depth(const std::vector<bool>& keep_block);

}  // namespace trifold::pruning
