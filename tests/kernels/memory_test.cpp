#include "kernels/runtime/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/stream.h"
#include "tests/kernels/support_ops.h"

namespace trifold::kernels {
namespace {

using namespace test;
using ::testing::HasSubstr;

/// The text of the DeviceError that `body` throws.
template <class Body>
std::string device_error(const Body& body) {
  try {
    body();
  } catch (const DeviceError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no DeviceError";
  return {};
}

/// Memory checkers go without the reuse of blocks.
bool reuses_blocks(Device device) {
#if defined(__SANITIZE_ADDRESS__)
  if (device.kind == DeviceKind::cpu) return false;
#endif
  const char* cache = std::getenv("TRIFOLD_CUDA_CACHE");
  return device.kind == DeviceKind::cpu || cache == nullptr || std::string(cache) != "0";
}

class Memory : public testing::TestWithParam<Device> {
 protected:
  const Device device = GetParam();

  std::int64_t in_use() const { return memory_use(device).now_bytes; }
};
INSTANTIATE_TEST_SUITE_P(Devices, Memory, testing::ValuesIn(devices()), [](const auto& device) {
  return std::string(device.param.kind == DeviceKind::cpu ? "cpu" : "cuda");
});

TEST_P(Memory, IsAlignedAndHoldsWhatWasAskedFor) {
  const std::uintptr_t alignment = device.kind == DeviceKind::cpu ? 64 : 256;
  for (const std::int64_t bytes : {0, 1, 63, 64, 65, 1000, 100000}) {
    const Block block = allocate(device, bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data) % alignment, 0u);
    EXPECT_EQ(block.bytes, bytes);
    EXPECT_GE(block.capacity_bytes, bytes);
    release(device, block);
  }
}

TEST_P(Memory, CopiesBetweenAnyTwoDevices) {
  const Floats values = normals(1001, 1);
  const std::int64_t bytes = 4 * 1001;
  const Block a = allocate(device, bytes), b = allocate(device, bytes);
  copy_memory(device, a.data, Device{}, values.data(), bytes);
  copy_memory(device, b.data, device, a.data, bytes);
  Floats back(1001, 0.0f);
  copy_memory(Device{}, back.data(), device, b.data, bytes);
  EXPECT_TRUE(same_bits(back, values));
  copy_memory(Device{}, back.data(), device, b.data, 0);  // nothing to do
  release(device, a);
  release(device, b);
}

TEST_P(Memory, CopiesComeAfterTheKernelsBeforeThem) {
  const Exec ex{.device = device};
  const Block block = allocate(device, 4 * 5000);
  auto* const values = static_cast<float*>(block.data);
  fill(ex, 5000, 1, values);
  for (int i = 0; i < 10; ++i) scale(ex, 5000, 2, values, values);
  Floats back(5000, 0.0f);
  copy_memory(Device{}, back.data(), device, values, 4 * 5000);
  EXPECT_EQ(back, Floats(5000, 1024.0f));
  fill(ex, 5000, 3, values);
  synchronize(device);
  release(device, block);
}

TEST_P(Memory, ClearsToZero) {
  const DeviceArray<std::int32_t> array(device, {7, 7, 7});
  clear_memory(device, array.data(), 8);
  EXPECT_EQ(array.values(), (std::vector<std::int32_t>{0, 0, 7}));
  EXPECT_TRUE(array.intact());
}

TEST_P(Memory, KeepsAnAccount) {
  const std::int64_t before = in_use();
  reset_memory_peak(device);
  const Block a = allocate(device, 1000);
  release(device, allocate(device, 500));
  EXPECT_EQ(in_use() - before, 1000);
  EXPECT_EQ(memory_use(device).peak_bytes - before, 1500);
  reset_memory_peak(device);
  EXPECT_EQ(memory_use(device).peak_bytes - before, 1000);
  release(device, a);
  EXPECT_EQ(in_use(), before);
}

TEST_P(Memory, ReusesReleasedBlocksOfAboutTheSize) {
  if (!reuses_blocks(device)) GTEST_SKIP() << "blocks aren't reused under a memory checker";
  release_cached_memory(device);
  constexpr std::int64_t bytes = 1 << 20;
  const Block freed = allocate(device, bytes);
  release(device, freed);
  const Block much_smaller = allocate(device, bytes / 2), larger = allocate(device, bytes + 1);
  const Block a_little_smaller = allocate(device, bytes - bytes / 16);
  EXPECT_NE(much_smaller.data, freed.data);
  EXPECT_NE(larger.data, freed.data);
  EXPECT_EQ(a_little_smaller.data, freed.data);
  for (const Block& block : {much_smaller, larger, a_little_smaller}) release(device, block);
  release_cached_memory(device);
}

TEST_P(Memory, KeepsTheBlocksOfTwoStreamsApart) {
  if (device.kind == DeviceKind::cpu || !reuses_blocks(device)) {
    GTEST_SKIP() << "just a GPU has streams";
  }
  DeviceStream *const first = create_stream(device), *const second = create_stream(device);
  release_cached_memory(device);
  const Block block = allocate(device, 1 << 20, first);
  release(device, block, first);
  const Block other = allocate(device, 1 << 20, second), same = allocate(device, 1 << 20, first);
  EXPECT_NE(other.data, block.data);
  EXPECT_EQ(same.data, block.data);
  release(device, other, second);
  release(device, same, first);
  release_cached_memory(device);
  destroy_stream(device, first);
  destroy_stream(device, second);
}

TEST_P(Memory, SaysWhenItRunsOut) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  if (device.kind == DeviceKind::cpu) {
    GTEST_SKIP() << "sanitizers end the program when an allocation is too large";
  }
#endif
  const std::int64_t before = in_use();
  EXPECT_THAT(device_error([&] { allocate(device, std::int64_t{1} << 60); }),
              HasSubstr("out of memory: 1152921504606846976 bytes"));
  EXPECT_EQ(in_use(), before);
  release(device, allocate(device, 100));  // and goes on
}

#if defined(SIMT_EMULATED)
// Without it, the tests of a build with the emulator would pass on the CPU alone.
TEST(Devices, TheEmulatorIsOne) { EXPECT_EQ(devices().size(), 2u); }
#endif

TEST(Devices, OnesThatAreNotThereAreRefused) {
  EXPECT_EQ(device_count(DeviceKind::cpu), 1);
  EXPECT_NO_THROW(require_device(Device{}));
  const Device missing{DeviceKind::cuda, 99}, negative{DeviceKind::cuda, -1};
  for (const Device device : {missing, negative}) {
    EXPECT_THAT(device_error([&] { require_device(device); }), HasSubstr("CUDA"));
    EXPECT_THAT(device_error([&] { allocate(device, 1); }), HasSubstr("CUDA"));
    EXPECT_THAT(device_error([&] { memory_use(device); }), HasSubstr("CUDA"));
    EXPECT_THAT(device_error([&] { fill({.device = device}, 0, 0, nullptr); }), HasSubstr("CUDA"));
  }
  EXPECT_THAT(device_error([] { require_device({DeviceKind::cpu, 1}); }), HasSubstr("CPU"));
}

}  // namespace
}  // namespace trifold::kernels
