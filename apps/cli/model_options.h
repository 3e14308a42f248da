/// Naming a model file on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "apps/cli/option_set.h"
#include "nn/io/model_file.h"

namespace trifold::apps {

/// "0.49,0.48,0.45" and the like for --std as a normalisation; empty where both texts are.
/// Errors    ConfigError: a list that is not one, or one without the other.
std::optional<nn::Normalisation> parse_normalisation(const std::string& mean,
                                                     const std::string& deviation);

/// nn::load_model, whose errors say which of --arch, --mean, --std and --resolution mends them; these
/// have given the hints.
nn::Model load_model(const std::string& file, const nn::ModelHints& hints, Device device = {});

/// Judges before any image is read whether this machine has the memory for one image of the side that
/// the model in `file` is used at.
/// Errors    FileError naming the side and both amounts.
void require_memory(const std::string& file, const nn::Model& model);

/// Holds the data that `source` names against what the model in `file` was trained on. A note says
/// where the images have another side.
/// Errors    ConfigError with the first difference, which ends with `remedy`: other classes, or
///           another order of them.
void require_fits_model(
    const std::string& file, const nn::ModelInfo& model, const std::string& source,
    const nn::Dataset& data,
    const std::string& remedy = "give data whose classes have the same names in the same order");

/// That note alone.
void note_other_side(const std::string& file, const nn::ModelInfo& model, const std::string& source,
                     const nn::Dataset& data);

/// --resize, which names how images are brought to the side; where it isn't given, it is `usual`.
void add_resize(OptionSet& app, std::string& name, const std::string& usual);

/// --arch, --mean, --std, --resolution and --resize, beside a file that is named by the program's own option.
struct ModelOptions {
  std::string file;

  void add_to(OptionSet& app);

  /// The model on a device. What the options say of normalisation, side and resizing comes before
  /// the file, and a note says so.
  /// Errors    load_model's; ConfigError: a list that is not one, a side too small.
  nn::Model load(Device device = {}) const;

 private:
  std::string arch_, mean_, std_, resize_;
  std::int64_t resolution_ = 0;
};

}  // namespace trifold::apps
