#include "kernels/runtime/memory.h"

#include <cstring>
#include <new>

#include "kernels/runtime/backends.h"
#include "kernels/runtime/block_cache.h"

namespace trifold::kernels::cpu {
namespace {

constexpr std::int64_t line_bytes = 64;
constexpr std::align_val_t alignment{line_bytes};

// A reused block hides a read after free and a write past its end, so sanitizer builds go without.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool reuse = false;
#else
constexpr bool reuse = true;
#endif

// Never destroyed: blocks of static lifetime may be freed after it would have been.
BlockCache& cache() {
  static BlockCache& blocks = *new BlockCache(
      {[](std::int64_t bytes) {
         return ::operator new(static_cast<std::size_t>(bytes), alignment, std::nothrow);
       },
       [](void* data) { ::operator delete(data, alignment); }, line_bytes, reuse});
  return blocks;
}

}  // namespace

bool has_tensor_cores(Device) { return false; }

Block allocate(Device, std::int64_t bytes, DeviceStream*) {
  return cache().allocate(bytes, nullptr);
}

void release(Device, const Block& block, DeviceStream*) noexcept {
  cache().release(block, nullptr);
}

void copy_memory(Device, void* to, Device, const void* from, std::int64_t bytes, DeviceStream*) {
  if (bytes > 0) std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

void clear_memory(Device, void* data, std::int64_t bytes, DeviceStream*) {
  if (bytes > 0) std::memset(data, 0, static_cast<std::size_t>(bytes));
}

void synchronize(Device, DeviceStream*) {}

MemoryUse memory_use(Device) { return cache().use(); }

void reset_memory_peak(Device) { cache().reset_peak(); }

void release_cached_memory(Device) { cache().release_cached(); }

}  // namespace trifold::kernels::cpu
