#include "nn/input_size.h"

#include <optional>

#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

std::optional<kernels::ResizeFilter> find_filter(const std::string& name) {
  for (const auto filter : {kernels::ResizeFilter::antialias, kernels::ResizeFilter::plain}) {
    if (name == to_string(filter)) return filter;
  }
  return std::nullopt;
}

std::string not_a_filter(const std::string& name) {
  return fmt::format("'{}' is not a way to resize images, which are antialias and plain", name);
}

}  // namespace

std::string to_string(kernels::ResizeFilter filter) {
  return filter == kernels::ResizeFilter::plain ? "plain" : "antialias";
}

kernels::ResizeFilter resize_filter(const std::string& name) {
  const auto filter = find_filter(name);
  require<ConfigError>(filter.has_value(), "{}", not_a_filter(name));
  return *filter;
}

kernels::ResizeFilter resize_filter(const std::string& name, const std::string& where) {
  const auto filter = find_filter(name);
  require<FileError>(filter.has_value(), "{}: {}", where, not_a_filter(name));
  return *filter;
}

}  // namespace trifold::nn
