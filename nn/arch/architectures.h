/// The built-in networks, by name.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace trifold::nn {

/// Builds a network that reads `channels` and tells `classes` apart.
using MakeGraph = std::function<Graph(std::int64_t channels, std::int64_t classes)>;

/// Networks of one kind. A family may know more names than it lists: ResNets have any depth.
struct ArchitectureFamily {
  std::vector<std::string> names;  ///< those that help shows
  std::string help;
  std::int64_t usual_side;  ///< the image side in pixels that its networks are made for
  /// What builds the network of a name, or nothing where it is none of the family's.
  std::optional<MakeGraph> (*find)(const std::string& name);
};

/// All of them. A name is the family's that lists it, else the first one's that knows it.
const std::vector<ArchitectureFamily>& architecture_families();

/// A built-in network by name.
/// Errors    ConfigError that lists the names, or says what is wrong with a size in the name.
Graph make_architecture(const std::string& name, std::int64_t channels, std::int64_t classes);

/// The image side in pixels that a built-in network is made for.
/// Errors    ConfigError that lists the names.
std::int64_t usual_side(const std::string& name);

/// The names of all families, in their order.
std::vector<std::string> architecture_names();

/// The same for people: "resnet18, resnet34 (what they are), densenet40 (...)".
std::string describe_architectures();

}  // namespace trifold::nn
