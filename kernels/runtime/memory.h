/// Memory of a device: blocks, copies and the account of what is in use.
#pragma once

#include <cstdint>

#include "kernels/runtime/device.h"

namespace trifold::kernels {

/// How many devices of a kind this build and this machine can use; the CPU counts as one.
int device_count(DeviceKind kind);

/// Throws DeviceError unless `device` can be used; the text says why it can't.
void require_device(Device device);

/// Whether convolutions on `device` can multiply in tf32 and bf16: on CUDA devices of compute
/// capability 8.0 and above. Elsewhere they compute in float32 whatever Exec::precision says.
/// Errors    DeviceError: a device that can't be used.
bool has_tensor_cores(Device device);

/// Owned by what allocated it. `capacity_bytes` may exceed what was asked for.
struct Block {
  void* data = nullptr;
  std::int64_t bytes = 0;
  std::int64_t capacity_bytes = 0;
  const void* pool = nullptr;  ///< of kernels/runtime/graph.h that it belongs to
};

/// A block that is not initialised, aligned to 64 bytes on the CPU and to 256 on a GPU. Released
/// blocks are kept for the next request of about their size on the same stream, where work runs in
/// order: a GPU may still be busy with a released block, for what gets it next comes after.
/// Errors    DeviceError: a device that can't be used. MemoryError: memory that can't be had.
Block allocate(Device device, std::int64_t bytes, DeviceStream* stream = nullptr);

/// Gives a block back to the stream that it was allocated for. Never waits for that stream unless
/// blocks aren't kept (TRIFOLD_CUDA_CACHE=0).
void release(Device device, const Block& block, DeviceStream* stream = nullptr) noexcept;

/// to[0, bytes) = from[0, bytes), after all earlier work on `stream`.
/// Effects   Between two arrays of one GPU asynchronous on `stream`; otherwise done on return.
/// Errors    DeviceError: a device that can't be used, two different GPUs, or a failure of earlier
///           work on the stream.
void copy_memory(Device to_device, void* to, Device from_device, const void* from,
                 std::int64_t bytes, DeviceStream* stream = nullptr);

/// Sets all bytes to zero; asynchronous on `stream` for a GPU.
void clear_memory(Device device, void* data, std::int64_t bytes, DeviceStream* stream = nullptr);

/// Waits until all work on `stream` is done. Errors: DeviceError where that work failed.
void synchronize(Device device, DeviceStream* stream = nullptr);

/// Bytes held by live blocks of a device, those kept for reuse not counted.
struct MemoryUse {
  std::int64_t now_bytes = 0;
  std::int64_t peak_bytes = 0;
};
MemoryUse memory_use(Device device);

/// Starts a new peak at what is in use now.
void reset_memory_peak(Device device);

/// Gives the blocks kept for reuse back to the system, after waiting for the device.
void release_cached_memory(Device device);

}  // namespace trifold::kernels
