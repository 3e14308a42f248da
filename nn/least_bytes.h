/// The memory that a network can't do without.
#pragma once

#include "nn/graph.h"

namespace trifold::nn {

/// The least bytes that a forward pass takes for one image of side x side, the parameters not counted:
/// those of the inputs and the result of the node that has most of both.
/// Errors    as infer_extents().
double least_bytes(const Graph& graph, std::int64_t side);

}  // namespace trifold::nn
