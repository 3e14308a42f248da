/// A cache of blocks where memory is short.
#include "kernels/runtime/block_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <vector>

#include "kernels/runtime/error_types.h"

namespace {

thread_local bool no_memory = false;

// While it lives, this thread gets no memory from operator new.
struct NoMemory {
  NoMemory() { no_memory = true; }
  ~NoMemory() { no_memory = false; }
};

}  // namespace

// Not inline, or the compiler pairs std::free with an operator new that it takes for another one.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  void* const data = no_memory ? nullptr : std::malloc(bytes);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}
[[gnu::noinline]] void operator delete(void* data) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::size_t) noexcept { std::free(data); }

namespace trifold::kernels {
namespace {

// Blocks of a fixed array, one for every 64 bytes, whose numbers tell them apart.
struct Source {
  std::vector<char> bytes = std::vector<char>(64 * 64);
  std::int64_t taken = 0, given_back = 0, most = 64;

  MemorySource source(bool reuse) {
    return {[this](std::int64_t) -> void* {
              return taken == most ? nullptr : bytes.data() + 64 * taken++;
            },
            [this](void*) { ++given_back; }, 64, reuse};
  }
};

TEST(BlockCache, ReleasesWhereThereIsNoMemory) {
  for (const bool reuse : {true, false}) {
    Source source;
    BlockCache cache(source.source(reuse));
    const int pool = 0;
    std::vector<Block> blocks;
    for (int i = 0; i < 10; ++i) {
      cache.use_pool(i < 5 ? &pool : nullptr);
      blocks.push_back(cache.allocate(64 * (1 + i % 3), nullptr));
    }
    {
      const NoMemory none;
      for (const Block& block : blocks) cache.release(block, nullptr);
      cache.drop_pool(&pool);
    }
    EXPECT_EQ(cache.use().now_bytes, 0);
    // All of them are there again.
    for (int i = 0; i < 10; ++i) cache.allocate(64 * (1 + i % 3), nullptr);
    EXPECT_EQ(source.taken, reuse ? 10 : 20);
    EXPECT_EQ(source.given_back, reuse ? 0 : 10);
  }
}

TEST(BlockCache, ARequestThatFailsChangesNothing) {
  Source source;
  source.most = 1;
  BlockCache cache(source.source(true));
  {
    const NoMemory none;
    EXPECT_THROW(cache.allocate(64, nullptr), std::bad_alloc);
  }
  EXPECT_EQ(source.taken, 0);
  const Block block = cache.allocate(64, nullptr);
  EXPECT_THROW(cache.allocate(64, nullptr), MemoryError);
  EXPECT_EQ(cache.use().now_bytes, 64);
  cache.release(block, nullptr);
  EXPECT_EQ(cache.allocate(64, nullptr).data, block.data);
}

}  // namespace
}  // namespace trifold::kernels
