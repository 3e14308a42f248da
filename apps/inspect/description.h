/// A model described for its user.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "nn/model.h"

namespace trifold::apps {

/// {arch, side, data_side, channels, classes, class_names, mean, std, macs, flops, params,
/// activations, bytes, blocks [{name, stage, skippable}], layers [{name, op, inputs, output
/// [h,w,c], macs, params}], provenance}. Convolutions have window, stride and pad too. Costs are for
/// one image of side x side; macs count convolutions and linear layers, flops = 2 macs.
nlohmann::json describe(const nn::Model& model, std::int64_t file_bytes);

/// The same as a page of text, in which texts from the file are printable().
std::string description_text(const nlohmann::json& description);

}  // namespace trifold::apps
