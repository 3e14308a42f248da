/// A network's parameters as tensors of a file.
#pragma once

#include <map>
#include <string>

#include "engine/safetensors.h"
#include "nn/network.h"

namespace trifold::nn {

/// The tensors of a network under `prefix`, in the file's names and layouts (nn/io/weight_layout.h).
void store_parameters(const Network& network, const std::string& prefix,
                      std::map<std::string, engine::StoredTensor>& tensors);

/// And back, to the network's device.
/// Errors    FileError naming file and tensor: a missing one, another shape, a value that is not
///           finite, a variance below 0.
void restore_parameters(Network& network, const std::string& prefix,
                        const engine::SafetensorsFile& file);

/// Compares shapes before anything is allocated for a structure that a file claims to have.
/// Errors    FileError: a missing tensor, another shape, a structure that makes no network.
void check_shapes(const Graph& graph, const std::string& prefix,
                  const engine::SafetensorsFile& file);

}  // namespace trifold::nn
