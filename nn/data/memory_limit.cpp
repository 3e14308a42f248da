#include "nn/data/memory_limit.h"

#include <unistd.h>

#include "kernels/runtime/error.h"

namespace trifold::nn {

std::int64_t default_memory_limit_bytes() {
  return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE) / 2;
}

void require_fits_memory(const std::string& what, std::int64_t bytes, std::int64_t limit_bytes) {
  constexpr double mebibyte = 1 << 20;
  require<MemoryLimitError>(
      bytes <= limit_bytes,
      "{}: the images take {:.1f} MiB of memory, above the limit of {:.1f} MiB; "
      "use fewer or smaller images, or raise the limit",
      what, static_cast<double>(bytes) / mebibyte, static_cast<double>(limit_bytes) / mebibyte);
}

}  // namespace trifold::nn
