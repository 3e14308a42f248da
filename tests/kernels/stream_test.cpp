#include "kernels/runtime/stream.h"

#include <algorithm>
#include <cstring>

#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"

#if defined(SIMT_EMULATED)
#include "kernels/simt/emulator.h"
#endif

namespace trifold::kernels {
namespace {

using namespace test;

/// Copies of a stream of their own and kernels of the main one take turns on one array, in the
/// order that events make. `waits` says whether the main stream waits for the copies.
Floats copy_and_double(Device device, bool waits) {
  constexpr std::int64_t count = 1000, bytes = 4 * count;
  const Exec ex{.device = device};
  DeviceStream* const copies = create_stream(device);
  DeviceEvent* const copied = create_event(device);
  DeviceEvent* const used = create_event(device);
  const Block staging = allocate_staging(device, bytes);
  const Block x = allocate(device, bytes), y = allocate(device, bytes);
  fill(ex, count, 0, static_cast<float*>(x.data));
  fill(ex, count, 0, static_cast<float*>(y.data));
  synchronize(device);
  for (int round = 1; round <= 3; ++round) {
    synchronize_event(device, copied);  // unset at first: nothing to wait for
    auto* const from = static_cast<float*>(staging.data);
    std::fill(from, from + count, static_cast<float>(round));
    wait_for_event(device, copies, used);
    copy_from_staging(device, x.data, staging.data, bytes, copies);
    record_event(device, copied, copies);
    if (waits) wait_for_event(device, nullptr, copied);
    add(ex, count, static_cast<float*>(x.data), static_cast<float*>(y.data),
        static_cast<float*>(y.data));
    record_event(device, used, nullptr);
  }
  Floats sums(index(count), -1.0f);
  copy_memory(Device{}, sums.data(), device, y.data, bytes);
  destroy_event(device, copied);
  destroy_event(device, used);
  destroy_stream(device, copies);
  release_staging(device, staging);
  release(device, x);
  release(device, y);
  return sums;
}

TEST(Stream, CopiesAndKernelsFollowTheEvents) {
  for (const Device device : devices()) {
    SCOPED_TRACE(to_string(device));
    EXPECT_EQ(copy_and_double(device, true), Floats(1000, 6.0f));
  }
}

#if defined(SIMT_EMULATED)
/// The same, with work that is done as late as the events allow, and what a missing one then does.
TEST(Stream, EventsAreWhatMakesTheOrder) {
  const Device device{DeviceKind::cuda, 0};
  simt::settings().lazy_streams = true;
  const Floats in_order = copy_and_double(device, true),
               out_of_order = copy_and_double(device, false);
  simt::settings() = simt::Settings{};
  EXPECT_EQ(in_order, Floats(1000, 6.0f));
  EXPECT_NE(out_of_order, in_order);
}
#endif

TEST(Stream, StagingIsNotPartOfTheAccount) {
  for (const Device device : devices()) {
    const std::int64_t before = memory_use(device).now_bytes;
    const Block staging = allocate_staging(device, 100);
    EXPECT_EQ(staging.bytes, 100);
    std::memset(staging.data, 1, 100);
    EXPECT_EQ(memory_use(device).now_bytes, before);
    release_staging(device, staging);
  }
}

TEST(Stream, RefusesADeviceThatIsNotThere) {
  const Device missing{DeviceKind::cuda, 99};
  EXPECT_THROW(create_stream(missing), DeviceError);
  EXPECT_THROW(create_event(missing), DeviceError);
  EXPECT_THROW(allocate_staging(missing, 1), DeviceError);
}

}  // namespace
}  // namespace trifold::kernels
