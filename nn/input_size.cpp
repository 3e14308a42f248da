#include "nn/input_size.h"

#include "kernels/runtime/error.h"

namespace trifold::nn {

std::string to_string(kernels::ResizeFilter filter) {
  return filter == kernels::ResizeFilter::plain ? "plain" : "antialias";
}

kernels::ResizeFilter resize_filter(const std::string& name) {
  for (const auto filter : {kernels::ResizeFilter::antialias, kernels::ResizeFilter::plain}) {
    if (name == to_string(filter)) return filter;
  }
  throw ConfigError(
      fmt::format("'{}' is not a way to resize images, which are antialias and plain", name));
}

}  // namespace trifold::nn
