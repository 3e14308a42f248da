/// Devices, their memory, streams and graphs.
#include "kernels/runtime/dispatch.h"

namespace trifold::kernels {

int device_count(DeviceKind kind) {
  if (kind == DeviceKind::cpu) return 1;
#if TRIFOLD_WITH_CUDA
  return cuda::device_count();
#else
  return 0;
#endif
}

void require_device(Device device) {
  if (device.kind == DeviceKind::cpu) {
    require<DeviceError>(device.index == 0, "there is no CPU device {}, just 0", device.index);
    return;
  }
#if TRIFOLD_WITH_CUDA
  cuda::require_device(device);
#else
  throw DeviceError("this build has no CUDA backend");
#endif
}

bool has_tensor_cores(Device device) {
  return run_on(device, TRIFOLD_TWINS(has_tensor_cores), device);
}

Block allocate(Device device, std::int64_t bytes, DeviceStream* stream) {
  return run_on(device, TRIFOLD_TWINS(allocate), device, bytes, stream);
}

void copy_memory(Device to_device, void* to, Device from_device, const void* from,
                 std::int64_t bytes, DeviceStream* stream) {
  require_device(from_device);
  const Device device = to_device.kind == DeviceKind::cpu ? from_device : to_device;
  run_on(device, TRIFOLD_TWINS(copy_memory), to_device, to, from_device, from, bytes, stream);
}

void clear_memory(Device device, void* data, std::int64_t bytes, DeviceStream* stream) {
  run_on(device, TRIFOLD_TWINS(clear_memory), device, data, bytes, stream);
}

void synchronize(Device device, DeviceStream* stream) {
  run_on(device, TRIFOLD_TWINS(synchronize), device, stream);
}

MemoryUse memory_use(Device device) { return run_on(device, TRIFOLD_TWINS(memory_use), device); }

void reset_memory_peak(Device device) { run_on(device, TRIFOLD_TWINS(reset_memory_peak), device); }

void release_cached_memory(Device device) {
  run_on(device, TRIFOLD_TWINS(release_cached_memory), device);
}

DeviceStream* create_stream(Device device) {
  return run_on(device, TRIFOLD_TWINS(create_stream), device);
}

DeviceEvent* create_event(Device device) {
  return run_on(device, TRIFOLD_TWINS(create_event), device);
}

void record_event(Device device, DeviceEvent* event, DeviceStream* stream) {
  run_on(device, TRIFOLD_TWINS(record_event), device, event, stream);
}

void wait_for_event(Device device, DeviceStream* stream, DeviceEvent* event) {
  run_on(device, TRIFOLD_TWINS(wait_for_event), device, stream, event);
}

void synchronize_event(Device device, DeviceEvent* event) {
  run_on(device, TRIFOLD_TWINS(synchronize_event), device, event);
}

Block allocate_staging(Device device, std::int64_t bytes) {
  return run_on(device, TRIFOLD_TWINS(allocate_staging), device, bytes);
}

void copy_from_staging(Device device, void* to, const void* from, std::int64_t bytes,
                       DeviceStream* stream) {
  run_on(device, TRIFOLD_TWINS(copy_from_staging), device, to, from, bytes, stream);
}

bool has_graphs(Device device) { return run_on(device, TRIFOLD_TWINS(has_graphs), device); }

void use_pool(Device device, const void* pool) {
  run_on(device, TRIFOLD_TWINS(use_pool), device, pool);
}

void begin_capture(Device device) { run_on(device, TRIFOLD_TWINS(begin_capture), device); }

DeviceGraph* end_capture(Device device) {
  return run_on(device, TRIFOLD_TWINS(end_capture), device);
}

void launch_graph(Device device, DeviceGraph* graph) {
  run_on(device, TRIFOLD_TWINS(launch_graph), device, graph);
}

void release(Device device, const Block& block, DeviceStream* stream) noexcept {
  run_quietly(device, TRIFOLD_TWINS(release), block, stream);
}

void destroy_stream(Device device, DeviceStream* stream) noexcept {
  run_quietly(device, TRIFOLD_TWINS(destroy_stream), stream);
}

void destroy_event(Device device, DeviceEvent* event) noexcept {
  run_quietly(device, TRIFOLD_TWINS(destroy_event), event);
}

void release_staging(Device device, const Block& block) noexcept {
  run_quietly(device, TRIFOLD_TWINS(release_staging), block);
}

void drop_pool(Device device, const void* pool) noexcept {
  run_quietly(device, TRIFOLD_TWINS(drop_pool), pool);
}

void destroy_graph(Device device, DeviceGraph* graph) noexcept {
  run_quietly(device, TRIFOLD_TWINS(destroy_graph), graph);
}

}  // namespace trifold::kernels
