/// Data on its way from the host to a device, while the device works on what came before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "engine/buffer.h"

namespace trifold::engine {

/// Two pieces of data at a time: one that the device's work reads, and one that is being copied
/// beside that work, through memory which the device copies from by itself. The host doesn't wait
/// for the device but where it is two pieces ahead of it.
///
///     upload.begin(bytes, fill);
///     while (...) {
///       const std::byte* data = upload.take();
///       ... work that reads data ...
///       upload.done();
///       upload.begin(bytes, fill);  // copied while the device does what follows
///     }
class Upload {
 public:
  explicit Upload(Device device);
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  /// Starts the copy of `bytes` bytes, which fill(to) writes to the host's memory. At most one more
  /// than was taken.
  /// Errors    MemoryError: no memory. DeviceError: a failure of earlier work on the device.
  void begin(std::int64_t bytes, const std::function<void(std::byte* to)>& fill);

  /// The oldest data not yet taken, on the device, for work on its main stream until done().
  const std::byte* take();
  void done();

 private:
  struct Slot {
    kernels::Block staging;
    Buffer data;
    kernels::DeviceEvent* copied;
    kernels::DeviceEvent* used;
  };
  Slot& slot_of(std::int64_t piece) { return slots_[static_cast<std::size_t>(piece % 2)]; }
  void make_room(Slot& slot, std::int64_t bytes);

  Device device_;
  kernels::DeviceStream* copies_;
  std::array<Slot, 2> slots_;
  std::int64_t begun_ = 0, taken_ = 0;
};

}  // namespace trifold::engine
