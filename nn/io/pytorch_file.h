/// Files of tensors as torch.save() writes them.
#pragma once

#include <filesystem>

#include "engine/safetensors.h"

namespace trifold::nn {

/// Reads what torch.save() wrote of a state_dict(), by itself or as "state_dict", "model" or the like
/// in a dictionary of a checkpoint: a zip archive of a pickle and the tensors' elements. The pickle is
/// read by nn/io/pickle.h: nothing in it runs. There is no metadata.
/// Errors    FileError naming file and tensor: no such file, damage, anything that isn't a tensor or
///           a plain value, several dictionaries that could be meant, elements of another type than
///           safetensors has, a file of PyTorch before 1.6. Memory stays below three times the file's
///           size and 300 MB.
/// Source    PyTorch's torch/serialization.py and torch/_utils.py.
engine::SafetensorsFile read_pytorch(const std::filesystem::path& path);

/// Whether a file's name says that it is one: .pth, .pt or .th.
bool is_pytorch(const std::filesystem::path& path);

}  // namespace trifold::nn
