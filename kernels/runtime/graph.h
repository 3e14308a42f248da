/// Graph capture: a piece of a device's work that is captured once and then launched as a whole,
/// which costs the host one launch instead of one a kernel.
#pragma once

#include "kernels/runtime/memory.h"

namespace trifold::kernels {

/// Whether work on a device can be captured: that on CUDA devices can.
/// Errors    DeviceError: a device that can't be used.
bool has_graphs(Device device);

/// Takes the blocks of the main stream from a pool of their own from now on, or with null from what
/// is kept for all, as at the start. A block goes back to its pool whenever it is released, so that
/// nothing else gets the memory that captured work keeps its intermediate results in. Any address
/// names a pool, which lasts from its first use to drop_pool. It holds for all threads: just one of
/// them works with a device whose pool is in use.
void use_pool(Device device, const void* pool);
/// Leaves the pool's blocks to all; no graph may need them any more.
void drop_pool(Device device, const void* pool) noexcept;

/// Starts a capture: until end_capture, launches, copies within the device and fills on the main
/// stream aren't done but captured. Everything that they need is allocated, or waits in the pool in
/// use.
/// Errors    DeviceError: a device that has no graphs.
void begin_capture(Device device);

/// The captured graph. Whatever becomes of it, the device isn't capturing any more.
/// Errors    DeviceError: the work had in it what can't be captured, such as a copy to the host, a
///           wait, or an allocation that the pool hadn't the memory for.
DeviceGraph* end_capture(Device device);

/// Does the captured work with what its arrays now hold; asynchronous on the main stream.
void launch_graph(Device device, DeviceGraph* graph);
/// Waits for the work of the main stream first.
void destroy_graph(Device device, DeviceGraph* graph) noexcept;

}  // namespace trifold::kernels
