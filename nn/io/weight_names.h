/// What other programs call a network's tensors.
#pragma once

#include "engine/safetensors.h"
#include "nn/graph.h"

namespace trifold::nn {

/// Renames a file's tensors to what the network calls them, where only the wrapping differs:
///   - what all names begin with goes: "module." of torch.nn.DataParallel, "_orig_mod." of
///     torch.compile, both, or any other;
///   - the last layer may have any name: it is the one matrix that no other layer can be;
///   - counters go: num_batches_tracked, n_averaged, and thop's total_ops and total_params.
/// Whether the tensors then fit is for others to check.
/// Errors    FileError naming the prefix: all of the network's tensors have it, others don't.
void adopt_names(engine::SafetensorsFile& file, const Graph& graph);

}  // namespace trifold::nn
