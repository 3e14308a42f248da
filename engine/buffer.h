/// Owned memory on a device, and the account of it.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace trifold::engine {

/// Move-only block of device memory, aligned to 64 bytes and not initialised. Freed blocks are kept
/// for the next buffer of about their size, because a training step asks for the same sizes again
/// and fresh pages from the operating system cost more than many kernels do.
class Buffer {
 public:
  Buffer() = default;
  /// Errors    DeviceError: a device that is not built in, or memory that can't be had.
  Buffer(Device device, std::int64_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  void* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  void* data_ = nullptr;
  std::int64_t bytes_ = 0;
  std::int64_t capacity_bytes_ = 0;
  Device device_{};
};

/// Bytes held by live buffers of a device, cached free blocks not counted.
struct MemoryUse {
  std::int64_t now_bytes = 0;
  std::int64_t peak_bytes = 0;
};
MemoryUse memory_use(Device device);

/// Starts a new peak at what is in use now.
void reset_memory_peak(Device device);

/// Gives the cached free blocks of a device back to the system.
void release_cached_memory(Device device);

}  // namespace trifold::engine
