// The CPU has done everything when a call returns, so there is nothing to wait for; and launching
// costs it nothing that a graph could save.
#include "kernels/runtime/stream.h"

#include <cstring>
#include <new>

#include "kernels/runtime/backends.h"
#include "kernels/runtime/error.h"

namespace trifold::kernels::cpu {
namespace {

constexpr std::align_val_t alignment{64};

}  // namespace

DeviceStream* create_stream(Device) { return nullptr; }
void destroy_stream(Device, DeviceStream*) noexcept {}
DeviceEvent* create_event(Device) { return nullptr; }
void destroy_event(Device, DeviceEvent*) noexcept {}
void record_event(Device, DeviceEvent*, DeviceStream*) {}
void wait_for_event(Device, DeviceStream*, DeviceEvent*) {}
void synchronize_event(Device, DeviceEvent*) {}

Block allocate_staging(Device, std::int64_t bytes) {
  void* const data = ::operator new(static_cast<std::size_t>(bytes), alignment, std::nothrow);
  if (data == nullptr) throw MemoryError(fmt::format("out of memory: {} bytes", bytes));
  return {data, bytes, bytes};
}

void release_staging(Device, const Block& block) noexcept {
  ::operator delete(block.data, alignment);
}

void copy_from_staging(Device, void* to, const void* from, std::int64_t bytes, DeviceStream*) {
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

bool has_graphs(Device) { return false; }
void use_pool(Device, const void*) {}
void drop_pool(Device, const void*) noexcept {}
void begin_capture(Device) { throw DeviceError("work on the CPU can't be captured"); }
DeviceGraph* end_capture(Device) { return nullptr; }
void launch_graph(Device, DeviceGraph*) {}
void destroy_graph(Device, DeviceGraph*) noexcept {}

}  // namespace trifold::kernels::cpu
