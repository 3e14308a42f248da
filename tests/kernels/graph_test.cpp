#include "kernels/runtime/graph.h"

#include <cstdlib>
#include <string>

#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"

namespace trifold::kernels {
namespace {

using namespace test;

constexpr std::int64_t count = 300, bytes = 4 * count;

/// y += 2 x by way of a block that is released again.
void add_twice(Device device, const Block& x, const Block& y) {
  const Exec ex{.device = device};
  const Block doubled = allocate(device, bytes);
  scale(ex, count, 2, static_cast<const float*>(x.data), static_cast<float*>(doubled.data));
  add(ex, count, static_cast<const float*>(doubled.data), static_cast<const float*>(y.data),
      static_cast<float*>(y.data));
  release(device, doubled);
}

class Graph : public testing::Test {
 protected:
  const Device device{DeviceKind::cuda, 0};
  Block x, y;
  int pool = 0;  // its address is the name

  void SetUp() override {
    if (device_count(DeviceKind::cuda) == 0) GTEST_SKIP() << "there is no GPU";
    const char* cache = std::getenv("TRIFOLD_CUDA_CACHE");
    if (cache != nullptr && std::string(cache) == "0") GTEST_SKIP() << "pools keep no blocks";
    x = allocate(device, bytes);
    y = allocate(device, bytes);
    put(x, 1);
    put(y, 0);
  }
  void TearDown() override {
    if (x.data == nullptr) return;
    release(device, x);
    release(device, y);
  }
  void put(const Block& block, float value) const {
    fill({.device = device}, count, value, static_cast<float*>(block.data));
  }
  Floats values(const Block& block) const {
    Floats all(index(count));
    copy_memory(Device{}, all.data(), device, block.data, bytes);
    return all;
  }
  /// A graph of add_twice, whose pool holds what it needs.
  DeviceGraph* capture() {
    use_pool(device, &pool);
    add_twice(device, x, y);
    begin_capture(device);
    add_twice(device, x, y);
    DeviceGraph* const graph = end_capture(device);
    use_pool(device, nullptr);
    return graph;
  }
};

TEST_F(Graph, RepeatsTheWorkOnWhatTheArraysHold) {
  DeviceGraph* const graph = capture();
  EXPECT_EQ(values(y), Floats(index(count), 2.0f)) << "captured work isn't done";
  put(x, 5);
  for (int i = 0; i < 3; ++i) launch_graph(device, graph);
  EXPECT_EQ(values(y), Floats(index(count), 32.0f));
  destroy_graph(device, graph);
  drop_pool(device, &pool);
}

TEST_F(Graph, HasMemoryThatNothingElseGets) {
  release_cached_memory(device);
  DeviceGraph* const graph = capture();
  // All blocks that others can get by now, and a cache that is emptied.
  std::vector<Block> others;
  for (int i = 0; i < 10; ++i) {
    others.push_back(allocate(device, bytes));
    put(others.back(), -7);
  }
  release_cached_memory(device);
  launch_graph(device, graph);
  for (const Block& other : others) {
    EXPECT_EQ(values(other), Floats(index(count), -7.0f));
    release(device, other);
  }
  EXPECT_EQ(values(y), Floats(index(count), 4.0f));
  destroy_graph(device, graph);
  drop_pool(device, &pool);
  release_cached_memory(device);
}

TEST_F(Graph, FailsWhereItsPoolHasToGrow) {
  use_pool(device, &pool);
  begin_capture(device);
  EXPECT_THROW(add_twice(device, x, y), DeviceError);
  EXPECT_THROW(end_capture(device), DeviceError);
  use_pool(device, nullptr);
  drop_pool(device, &pool);
  add_twice(device, x, y);  // and goes on
  EXPECT_EQ(values(y), Floats(index(count), 2.0f));
}

TEST_F(Graph, FailsWhereTheHostWaits) {
  begin_capture(device);
  EXPECT_THROW(values(y), DeviceError);
  EXPECT_THROW(end_capture(device), DeviceError);
  EXPECT_EQ(values(y), Floats(index(count), 0.0f));
}

TEST(GraphOnCpu, CannotBeCaptured) {
  EXPECT_FALSE(has_graphs(Device{}));
  EXPECT_THROW(begin_capture(Device{}), DeviceError);
}

}  // namespace
}  // namespace trifold::kernels
