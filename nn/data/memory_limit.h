/// Data sets that aren't streamed are held in memory whole, so their size is judged before they are
/// loaded.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/runtime/error_types.h"

namespace trifold::nn {

/// Half of this machine's memory.
std::int64_t default_memory_limit_bytes();

/// The images are more than may be held.
class MemoryLimitError : public ConfigError {
 public:
  using ConfigError::ConfigError;
};

/// Errors    MemoryLimitError: `bytes` is above `limit_bytes`; the text names `what` and both sizes.
void require_fits_memory(const std::string& what, std::int64_t bytes, std::int64_t limit_bytes);

}  // namespace trifold::nn
