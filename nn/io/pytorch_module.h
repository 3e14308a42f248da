/// A way back to PyTorch: a network as a module of plain torch.nn.
#pragma once

#include <string>

#include "nn/model.h"

namespace trifold::nn {

/// A Python file that defines the network: its layers under the names that model files have, and a
/// forward pass that is the graph, a line a node. Its `load(path)` reads the model's safetensors file
/// (with the package `safetensors`) and returns the module in inference mode; inputs are normalised
/// floats (N, channels, side, side).
/// Errors    ConfigError: a name that can't stand in a Python file.
std::string to_pytorch(const Model& model);

}  // namespace trifold::nn
