/// Choosing blocks by their importance.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/graph.h"

namespace trifold::pruning {

/// The least number of blocks that can stay: those that can't be skipped, and one a stage.
std::int64_t min_depth(const nn::Graph& graph);

/// Which blocks stay when `keep` of them do: the least important that can be skipped go, as long as
/// their stage keeps one. Of equally important ones the later goes first.
/// Errors    TargetError: keep < min_depth; ShapeError: not one importance a block.
std::vector<bool> select_blocks(const nn::Graph& graph, const std::vector<double>& importance,
                                std::int64_t keep);

}  // namespace trifold::pruning
