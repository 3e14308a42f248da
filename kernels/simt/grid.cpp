/// A launch: its blocks in the order of the settings, one after the other.
#include <xmmintrin.h>

#include <algorithm>
#include <numeric>

#include "kernels/simt/arena.h"
#include "kernels/simt/block.h"
#include "kernels/simt/profile.h"
#include "kernels/simt/report.h"
#include "kernels/simt/shadow.h"
#include "kernels/simt/shared_memory.h"
#include "kernels/simt/watchdog.h"

namespace simt {
namespace {

std::vector<std::uint64_t> block_order(std::uint64_t count) {
  std::vector<std::uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (settings().order == Order::reverse) std::reverse(order.begin(), order.end());
  if (settings().order == Order::random) {
    for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random_number() % i]);
  }
  return order;
}

/// Kernels round to nearest and keep subnormal numbers, whatever the host's thread does.
class DeviceArithmetic {
 public:
  DeviceArithmetic() { _mm_setcsr(0x1f80); }
  ~DeviceArithmetic() { _mm_setcsr(before_); }
  DeviceArithmetic(const DeviceArithmetic&) = delete;
  DeviceArithmetic& operator=(const DeviceArithmetic&) = delete;

 private:
  unsigned before_ = _mm_getcsr();
};

}  // namespace

bool run(const Launch& launch) {
  const std::uint64_t x = launch.grid.x, y = launch.grid.y, z = launch.grid.z;
  const std::size_t reports_before = reports_so_far();
  const watchdog::Watch watch;
  const DeviceArithmetic arithmetic;
  set_reported_kernel(launch.kernel);
  shadow::begin_launch(launch.arguments.get(), launch.arguments_bytes);
  profile::begin_launch(launch);
  Block& block = the_block();
  const std::uint64_t barriers_before = block.barriers();
  for (const std::uint64_t i : block_order(x * y * z)) {
    watchdog::begin_block();
    profile::begin_block();
    const uint3 index = {static_cast<unsigned>(i % x), static_cast<unsigned>(i / x % y),
                         static_cast<unsigned>(i / (x * y))};
    if (!block.run(launch, index)) break;
    profile::end_block();
    if (!shared_memory::intact()) {
      report(Fault::out_of_bounds, text("shared memory beside an array was written to by block ",
                                        "(", index.x, ",", index.y, ",", index.z, ")"));
      break;
    }
  }
  profile::end_launch(block.barriers() - barriers_before);
  arena::check_bands("after the launch");
  set_reported_kernel(nullptr);
  return reports_so_far() == reports_before;
}

}  // namespace simt
