/// A network with all that is needed to use it.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "nn/data/normalisation.h"
#include "nn/input_size.h"
#include "nn/network.h"

namespace trifold::nn {

/// What a network's parameters don't say about it.
struct ModelInfo {
  std::string arch;            ///< the built-in network that it is or was cut from
  std::int64_t side = 0;       ///< image side in pixels that it was trained at
  std::int64_t data_side = 0;  ///< image side of its data before any resizing
  /// How its images are brought from one to the other.
  kernels::ResizeFilter resize = kernels::ResizeFilter::antialias;
  Normalisation normalisation;
  std::vector<std::string> class_names;
  /// For each node of a pruned network, the channels of the original that it kept; empty for a
  /// network that is not pruned.
  std::map<std::string, std::vector<std::int64_t>> original_channels;
  /// What was done to the network, oldest first: an array of objects.
  nlohmann::json provenance = nlohmann::json::array();

  InputSize input_size() const { return {side, resize}; }
};

struct Model {
  Network network;
  ModelInfo info;

  Model clone() const { return {network.clone(), info}; }
};

/// Gives the model a new last layer for `classes` others: with_new_head(). Their names are empty
/// where they have only numbers.
void replace_head(Model& model, std::int64_t classes, const std::vector<std::string>& class_names,
                  std::uint64_t seed);

}  // namespace trifold::nn
