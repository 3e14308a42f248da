/// Owned memory on a device.
#pragma once

#include <cstdint>

#include "kernels/runtime/device.h"
#include "kernels/runtime/memory.h"

namespace trifold::engine {

/// Move-only block of device memory, aligned to 64 bytes and not initialised. All that the engine
/// does on a GPU runs in order on one stream, so a freed block may serve the next buffer at once.
class Buffer {
 public:
  Buffer() = default;
  /// Errors    DeviceError: a device that is not built in. MemoryError: memory that can't be had.
  Buffer(Device device, std::int64_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  void* data() const { return block_.data; }
  std::int64_t bytes() const { return block_.bytes; }
  Device device() const { return device_; }

 private:
  kernels::Block block_;
  Device device_{};
};

// The account of a device's memory, as the kernels keep it.
using kernels::memory_use;
using kernels::MemoryUse;
using kernels::release_cached_memory;
using kernels::reset_memory_peak;

}  // namespace trifold::engine
