/// The size of image that a network takes, and how images are brought to it.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/resize.h"

namespace trifold::nn {

struct InputSize {
  // A number is a side whose images are anti-aliased: what is meant where nothing else is said.
  InputSize(std::int64_t pixels,
            kernels::ResizeFilter resize_filter = kernels::ResizeFilter::antialias)
      : side(pixels), filter(resize_filter) {}

  std::int64_t side;  ///< height and width in pixels
  kernels::ResizeFilter filter;
};

/// "antialias" or "plain".
std::string to_string(kernels::ResizeFilter filter);

/// The filter of that name.
/// Errors    ConfigError: another name.
kernels::ResizeFilter resize_filter(const std::string& name);
/// The filter that a file names.
/// Errors    FileError, starting with `where`: another name.
kernels::ResizeFilter resize_filter(const std::string& name, const std::string& where);

}  // namespace trifold::nn
