#include "nn/arch/architectures.h"

#include <charconv>

#include "kernels/runtime/error.h"

namespace trifold::nn {

std::vector<std::string> architecture_names() {
  return {"resnet8",   "resnet14", "resnet20", "resnet32", "resnet44",   "resnet56",
          "resnet110", "resnet18", "resnet34", "resnet50", "densenet40", "densenet-bc100"};
}

std::int64_t usual_side(const std::string& name) {
  return name == "resnet18" || name == "resnet34" || name == "resnet50" ? 224 : 32;
}

Graph make_architecture(const std::string& name, std::int64_t channels, std::int64_t classes) {
  if (name == "densenet40") {
    return densenet({.layers_per_block = 12, .growth = 12, .stem = 24}, channels, classes);
  }
  if (name == "densenet-bc100") {
    return densenet(
        {.layers_per_block = 16, .growth = 12, .bottleneck = true, .compression = 0.5, .stem = 24},
        channels, classes);
  }
  const std::string family = "resnet";
  if (name.starts_with(family)) {
    const char* const begin = name.data() + family.size();
    const char* const end = name.data() + name.size();
    std::int64_t depth = 0;
    const auto [rest, error] = std::from_chars(begin, end, depth);
    const std::string suffix(rest, end);
    if (error == std::errc{} && suffix.empty() && (depth == 18 || depth == 34 || depth == 50)) {
      return imagenet_resnet(depth, channels, classes);
    }
    if (error == std::errc{} && (suffix.empty() || suffix == "b")) {
      return cifar_resnet(depth, suffix.empty() ? Shortcut::A : Shortcut::B, channels, classes);
    }
  }
  throw ConfigError(
      fmt::format("unknown architecture '{}'; the built-in ones are {} and resnet<6n+2>, "
                  "with a trailing b for shortcuts of option B",
                  name, fmt::join(architecture_names(), ", ")));
}

}  // namespace trifold::nn
