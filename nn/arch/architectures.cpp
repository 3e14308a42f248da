#include "nn/arch/architectures.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/runtime/error.h"
#include "nn/arch/densenet.h"
#include "nn/arch/efficientnet.h"
#include "nn/arch/mobilenet.h"
#include "nn/arch/resnet.h"
#include "nn/arch/vgg.h"

namespace trifold::nn {
namespace {

struct Found {
  const ArchitectureFamily& family;
  MakeGraph make;
};

Found find(const std::string& name) {
  for (const bool listed : {true, false}) {
    for (const ArchitectureFamily& family : architecture_families()) {
      if (listed && std::ranges::find(family.names, name) == family.names.end()) continue;
      if (std::optional<MakeGraph> make = family.find(name)) return {family, *std::move(make)};
    }
  }
  throw ConfigError(
      fmt::format("unknown architecture '{}'; there are {}", name, describe_architectures()));
}

}  // namespace

const std::vector<ArchitectureFamily>& architecture_families() {
  // A new network is a file beside this one and a line here.
  static const std::vector<ArchitectureFamily> all = {
      cifar_resnets(), imagenet_resnets(), densenets(), mobilenets(), efficientnets(), vggs(),
  };
  return all;
}

Graph make_architecture(const std::string& name, std::int64_t channels, std::int64_t classes) {
  return find(name).make(channels, classes);
}

std::int64_t usual_side(const std::string& name) { return find(name).family.usual_side; }

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const ArchitectureFamily& family : architecture_families()) {
    names.insert(names.end(), family.names.begin(), family.names.end());
  }
  return names;
}

std::string describe_architectures() {
  std::vector<std::string> families;
  for (const ArchitectureFamily& family : architecture_families()) {
    families.push_back(fmt::format("{} ({})", fmt::join(family.names, ", "), family.help));
  }
  return fmt::format("{}", fmt::join(families, ", "));
}

}  // namespace trifold::nn
