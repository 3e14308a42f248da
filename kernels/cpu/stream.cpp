// The CPU has done everything when a call returns, so there is nothing to wait for.
#include "kernels/stream.h"

#include <cstring>
#include <new>

#include "kernels/backends.h"
#include "kernels/error_types.h"

namespace trifold::kernels::cpu {
namespace {

constexpr std::align_val_t alignment{64};

}  // namespace

void* create_stream(Device) { return nullptr; }
void destroy_stream(Device, void*) noexcept {}
void* create_event(Device) { return nullptr; }
void destroy_event(Device, void*) noexcept {}
void record_event(Device, void*, void*) {}
void wait_for_event(Device, void*, void*) {}
void synchronize_event(Device, void*) {}

Block allocate_staging(Device, std::int64_t bytes) {
  void* const data = ::operator new(static_cast<std::size_t>(bytes), alignment, std::nothrow);
  if (data == nullptr) throw DeviceError("out of memory; use a smaller --batch");
  return {data, bytes, bytes};
}

void release_staging(Device, const Block& block) noexcept {
  ::operator delete(block.data, alignment);
}

void copy_from_staging(Device, void* to, const void* from, std::int64_t bytes, void*) {
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

}  // namespace trifold::kernels::cpu
