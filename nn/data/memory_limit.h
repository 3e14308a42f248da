/// Data sets are held in memory whole, so their size is judged before they are loaded.
#pragma once

#include <cstdint>
#include <string>

namespace trifold::nn {

/// Half of this machine's memory.
std::int64_t default_memory_limit_bytes();

/// Errors    ConfigError: `bytes` is above `limit_bytes`; the text names `what` and both sizes.
void require_fits_memory(const std::string& what, std::int64_t bytes, std::int64_t limit_bytes);

}  // namespace trifold::nn
