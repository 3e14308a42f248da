/// The check that throws: an error with a formatted text.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

// Apart, for CUDA sources: nvcc can't parse fmt's headers.
#include "kernels/runtime/error_types.h"

namespace trifold {

/// Throws `E` with a formatted text unless `condition` holds.
template <class E, class... Args>
void require(bool condition, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) throw E(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace trifold
