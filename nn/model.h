/// A network with all that is needed to use it, and the file that holds it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/safetensors.h"
#include "kernels/runtime/error_types.h"
#include "nn/data/normalisation.h"
#include "nn/network.h"

namespace trifold::nn {

/// What a network's parameters don't say about it.
struct ModelInfo {
  std::string arch;            ///< the built-in network that it is or was cut from
  std::int64_t side = 0;       ///< image side in pixels that it was trained at
  std::int64_t data_side = 0;  ///< image side of its data before any resizing
  Normalisation normalisation;
  std::vector<std::string> class_names;
  /// For each node of a pruned network, the channels of the original that it kept; empty for a
  /// network that is not pruned.
  std::map<std::string, std::vector<std::int64_t>> original_channels;
  /// What was done to the network, oldest first: an array of objects.
  nlohmann::json provenance = nlohmann::json::array();
};

struct Model {
  Network network;
  ModelInfo info;

  Model clone() const { return {network.clone(), info}; }
};

/// What the user says of a model file. It fills in what a plain file of weights lacks, and comes
/// before what the file says of its normalisation and its side.
struct ModelHints {
  std::optional<std::string> arch;
  std::optional<Normalisation> normalisation;
  std::optional<std::int64_t> side;
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

/// Reads a model file to a device: safetensors with PyTorch's parameter names and layouts (convolutions
/// (k,c,r,s), linear layers (out,in)) and the structure as JSON in its metadata. A plain file with
/// the names of a built-in network loads as well, if its metadata or `hints` tell `arch`, `mean`
/// and `std` (and `shortcut`, `input` where they are not A and usual_side(arch)). Names may be
/// wrapped as nn/weight_names.h says.
/// Errors    FileError naming file and tensor: damage, a missing or superfluous tensor, another
///           shape, a value that is not finite, a variance below 0, means on the scale of 0 to 255.
///           ConfigError: facts that neither file nor hints give; hints that don't fit the file.
///           Where a hint can mend it, these are HintErrors.
Model load_model(const std::filesystem::path& path, const ModelHints& hints = {},
                 Device device = {});

/// Writes a model file that load_model reads back bit by bit. Atomic.
/// Errors    WriteError: it can't be written. DivergedError: a parameter is not finite.
void save_model(const std::filesystem::path& path, const Model& model);

/// Gives the model a new last layer for `classes` others: with_new_head(). Their names are empty
/// where they have only numbers.
void replace_head(Model& model, std::int64_t classes, const std::vector<std::string>& class_names,
                  std::uint64_t seed);

/// The tensors of a network under `prefix`, in the file's names and layouts, and back.
void store_parameters(const Network& network, const std::string& prefix,
                      std::map<std::string, engine::StoredTensor>& tensors);
void restore_parameters(Network& network, const std::string& prefix,
                        const engine::SafetensorsFile& file);

}  // namespace trifold::nn
