/// The file that holds a model.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "kernels/runtime/error_types.h"
#include "nn/model.h"

namespace trifold::nn {

/// What the user says of a model file. It fills in what a plain file of weights lacks, and comes
/// before what the file says of its normalisation, its side and its way of resizing.
struct ModelHints {
  std::optional<std::string> arch;
  std::optional<Normalisation> normalisation;
  std::optional<std::int64_t> side;
  std::optional<kernels::ResizeFilter> resize = {};
  /// Receives a sentence for each fact that replaces another one of the file.
  std::function<void(const std::string&)> on_override = {};
};

enum class ModelFact { arch, normalisation, side };

/// An error of reading a model file, a ConfigError or a FileError, that a hint about `fact`, or
/// another one, would mend.
template <class Base>
class HintError : public Base {
 public:
  HintError(ModelFact about, const std::string& text) : Base(text), fact(about) {}
  ModelFact fact;
};

/// Reads a model file to a device: safetensors with PyTorch's parameter names and layouts
/// (convolutions (k,c,r,s), depthwise ones (c,1,r,s), linear layers (out,in)) and the structure as
/// JSON in its metadata. A plain file with the names of a built-in network loads as well, if its
/// metadata or `hints` tell `arch`, `mean` and `std` (and `shortcut`, `input` where they are not A
/// and usual_side(arch)); names may be wrapped as nn/io/weight_names.h says. So does a file of
/// torch.save(), whose name ends with .pth, .pt or .th, as nn/io/pytorch_file.h says, and an ONNX
/// file, whose name ends with .onnx, as nn/onnx/import.h says.
/// Errors    FileError naming file and tensor: damage, a missing or superfluous tensor, another
///           shape, a value that is not finite, a variance below 0, means on the scale of 0 to 255.
///           ConfigError: facts that neither file nor hints give; hints that don't fit the file.
///           Where a hint can mend it, these are HintErrors.
Model load_model(const std::filesystem::path& path, const ModelHints& hints = {},
                 Device device = {});

/// Writes a model file that load_model reads back bit by bit. Atomic.
/// Errors    WriteError: it can't be written. DivergedError: a parameter is not finite.
void save_model(const std::filesystem::path& path, const Model& model);

}  // namespace trifold::nn
