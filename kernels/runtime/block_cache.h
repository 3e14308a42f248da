/// Keeps freed blocks of memory for the next request of about their size, because a training step
/// asks for the same sizes again and fresh memory from the system costs more than many kernels do.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "kernels/runtime/memory.h"

namespace trifold::kernels {

/// Where the blocks of a cache come from.
struct MemorySource {
  std::function<void*(std::int64_t bytes)> acquire;  ///< null where the memory can't be had
  std::function<void(void* data)> give_back;
  std::int64_t granularity_bytes;  ///< capacities are multiples of this
  bool reuse;  ///< Off, every block is fresh, so that a memory checker sees its bounds and its end.
};

/// Any thread may call any member.
class BlockCache {
 public:
  explicit BlockCache(MemorySource source) : source_(std::move(source)) {}

  /// Errors    MemoryError: out of memory, even without what the cache holds.
  Block allocate(std::int64_t bytes, DeviceStream* stream);
  /// Takes no memory, so that it works where there is none.
  void release(const Block& block, DeviceStream* stream) noexcept;
  MemoryUse use();
  void reset_peak();
  void release_cached();

  /// See kernels/runtime/graph.h. What a pool keeps is not given back to the source before it is
  /// dropped.
  void use_pool(const void* pool);
  void drop_pool(const void* pool) noexcept;

 private:
  using Key = std::pair<const void*, std::int64_t>;  // pool, or else stream; capacity

  Block take_cached(std::int64_t capacity, const void* owner);
  void release_cached_locked();

  MemorySource source_;
  std::mutex mutex_;
  std::multimap<Key, void*> free_;
  std::multimap<Key, void*> live_;  // by data and 0: the entries that their release needs
  std::set<const void*> pools_;
  const void* pool_ = nullptr;  // in use
  MemoryUse use_;
};

}  // namespace trifold::kernels
