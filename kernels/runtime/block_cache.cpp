#include "kernels/runtime/block_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kernels/runtime/error.h"

namespace trifold::kernels {
namespace {

// Moves an entry from one map to another, or in the same, under a new key; takes no memory.
template <class Map>
typename Map::iterator move_entry(Map& from, typename Map::iterator at, Map& to,
                                  const typename Map::key_type& key) {
  auto entry = from.extract(at);
  entry.key() = key;
  return to.insert(std::move(entry));
}

}  // namespace

Block BlockCache::allocate(std::int64_t bytes, DeviceStream* stream) {
  const std::int64_t grain = source_.granularity_bytes;
  const std::int64_t capacity = std::max((bytes + grain - 1) / grain * grain, grain);
  std::lock_guard lock(mutex_);
  const void* const pool = stream == nullptr ? pool_ : nullptr;
  Block block = take_cached(capacity, pool != nullptr ? pool : stream);
  if (!block.data) {
    std::multimap<Key, void*> entry{{{}, nullptr}};
    block = {source_.acquire(capacity), bytes, capacity};
    if (!block.data) {  // The cache may hold what is missing, in blocks of other sizes.
      release_cached_locked();
      block.data = source_.acquire(capacity);
    }
    require<MemoryError>(block.data != nullptr, "out of memory: {} bytes on top of {} in use",
                         bytes, use_.now_bytes);
    move_entry(entry, entry.begin(), live_, {block.data, 0})->second = block.data;
  }
  block.bytes = bytes;
  block.pool = pool;
  use_.now_bytes += bytes;
  use_.peak_bytes = std::max(use_.peak_bytes, use_.now_bytes);
  return block;
}

void BlockCache::release(const Block& block, DeviceStream* stream) noexcept {
  std::lock_guard lock(mutex_);
  use_.now_bytes -= block.bytes;
  const auto entry = live_.find({block.data, 0});
  if (source_.reuse) {
    const void* const owner = pools_.contains(block.pool) ? block.pool : stream;
    move_entry(live_, entry, free_, {owner, block.capacity_bytes});
  } else {
    live_.erase(entry);
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

void BlockCache::use_pool(const void* pool) {
  std::lock_guard lock(mutex_);
  pool_ = pool;
  if (pool != nullptr) pools_.insert(pool);
}

void BlockCache::drop_pool(const void* pool) noexcept {
  std::lock_guard lock(mutex_);
  if (pools_.erase(pool) == 0) return;
  if (pool_ == pool) pool_ = nullptr;
  for (auto i = free_.lower_bound({pool, 0}); i != free_.end() && i->first.first == pool;) {
    const auto next = std::next(i);
    move_entry(free_, i, free_, {nullptr, i->first.second});
    i = next;
  }
}

// The smallest block that fits and wastes at most an eighth, or none.
Block BlockCache::take_cached(std::int64_t capacity, const void* owner) {
  const auto found = free_.lower_bound({owner, capacity});
  if (found == free_.end() || found->first.first != owner ||
      found->first.second > capacity + capacity / 8) {
    return {};
  }
  const Block block{found->second, 0, found->first.second};
  move_entry(free_, found, live_, {block.data, 0});
  return block;
}

void BlockCache::release_cached_locked() {
  std::erase_if(free_, [&](const auto& block) {
    const auto& [key, data] = block;
    if (pools_.contains(key.first)) return false;
    source_.give_back(data);
    return true;
  });
}

}  // namespace trifold::kernels
