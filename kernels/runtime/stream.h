/// Streams and events: what lets copies between the host and a device overlap the device's work.
#pragma once

#include <cstdint>

#include "kernels/runtime/memory.h"

namespace trifold::kernels {

// A null stream stands for the device's main stream, which all kernels run on unless told
// otherwise. On the CPU everything is done on return: streams and events are null, and nothing
// waits.

/// A stream whose work runs beside that of the others.
/// Errors    DeviceError: a device that can't be used.
DeviceStream* create_stream(Device device);
/// Waits for the stream's work.
void destroy_stream(Device device, DeviceStream* stream) noexcept;

/// A mark in a stream, unset until it is recorded.
/// Errors    DeviceError: a device that can't be used.
DeviceEvent* create_event(Device device);
void destroy_event(Device device, DeviceEvent* event) noexcept;

/// Sets the mark behind all that `stream` was given up to now; an earlier mark is forgotten.
void record_event(Device device, DeviceEvent* event, DeviceStream* stream);

/// Lets later work on `stream` wait for the mark; nothing to wait for where it is unset.
void wait_for_event(Device device, DeviceStream* stream, DeviceEvent* event);

/// Waits on the calling thread for the mark. Errors: DeviceError where work before it failed.
void synchronize_event(Device device, DeviceEvent* event);

/// Memory of the host that `device` copies from and to by itself, while the host goes on:
/// page-locked for a GPU. Not initialised, and not part of the device's account.
/// Errors    DeviceError: a device that can't be used. MemoryError: memory that can't be had.
Block allocate_staging(Device device, std::int64_t bytes);
/// No copy from or to the block may be under way.
void release_staging(Device device, const Block& block) noexcept;

/// to[0, bytes) on `device` = from[0, bytes) in memory of allocate_staging, after all earlier work
/// on `stream` and asynchronous to the host, which leaves `from` alone until the copy is done.
void copy_from_staging(Device device, void* to, const void* from, std::int64_t bytes,
                       DeviceStream* stream);

}  // namespace trifold::kernels
