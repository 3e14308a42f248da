#include "kernels/block_cache.h"

#include <algorithm>

#include "kernels/error.h"

namespace trifold::kernels {

Block BlockCache::allocate(std::int64_t bytes, void* stream) {
  const std::int64_t grain = source_.granularity_bytes;
  const std::int64_t capacity = std::max((bytes + grain - 1) / grain * grain, grain);
  std::lock_guard lock(mutex_);
  Block block = take_cached(capacity, stream);
  if (!block.data) {
    block = {source_.acquire(capacity), bytes, capacity};
    if (!block.data) {  // The cache may hold what is missing, in blocks of other sizes.
      release_cached_locked();
      block.data = source_.acquire(capacity);
    }
    require<DeviceError>(block.data != nullptr,
                         "out of memory: {} bytes on top of {} in use; use a smaller --batch",
                         bytes, use_.now_bytes);
  }
  block.bytes = bytes;
  use_.now_bytes += bytes;
  use_.peak_bytes = std::max(use_.peak_bytes, use_.now_bytes);
  return block;
}

void BlockCache::release(const Block& block, void* stream) {
  std::lock_guard lock(mutex_);
  use_.now_bytes -= block.bytes;
  if (source_.reuse) {
    free_.emplace(Key{stream, block.capacity_bytes}, block.data);
  } else {
    source_.give_back(block.data);
  }
}

MemoryUse BlockCache::use() {
  std::lock_guard lock(mutex_);
  return use_;
}

void BlockCache::reset_peak() {
  std::lock_guard lock(mutex_);
  use_.peak_bytes = use_.now_bytes;
}

void BlockCache::release_cached() {
  std::lock_guard lock(mutex_);
  release_cached_locked();
}

// The smallest block that fits and wastes at most an eighth, or none.
Block BlockCache::take_cached(std::int64_t capacity, void* stream) {
  const auto found = free_.lower_bound({stream, capacity});
  if (found == free_.end() || found->first.first != stream ||
      found->first.second > capacity + capacity / 8) {
    return {};
  }
  const Block block{found->second, 0, found->first.second};
  free_.erase(found);
  return block;
}

void BlockCache::release_cached_locked() {
  for (const auto& [key, data] : free_) source_.give_back(data);
  free_.clear();
}

}  // namespace trifold::kernels
