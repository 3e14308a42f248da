/// Device memory: a stream-ordered cache above cudaMalloc for each device.
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "kernels/cuda/check.cuh"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/block_cache.h"
#include "kernels/runtime/error_types.h"

namespace trifold::kernels::cuda {
namespace {

/// Off for memory checkers, which know where a block ends and when it dies only if every block is
/// a cudaMalloc of its own.
bool reuse_blocks() {
  const char* value = std::getenv("TRIFOLD_CUDA_CACHE");
  return value == nullptr || std::string_view(value) != "0";
}

void* acquire(std::int64_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, static_cast<std::size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // The caller frees what is cached and tries again.
    return nullptr;
  }
  check_call(status, "cudaMalloc");
  return data;
}

/// cudaFree waits for the kernels that still use the block.
void give_back(void* data) {
  // After a fault of a kernel every call fails with its error, which has been reported by then.
  static_cast<void>(cudaFree(data));
}

// Never destroyed: blocks of static lifetime may be freed after it would have been.
BlockCache& cache_of(Device device) {
  static std::vector<std::unique_ptr<BlockCache>>& caches = *[] {
    auto* all = new std::vector<std::unique_ptr<BlockCache>>;
    const bool reuse = reuse_blocks();
    for (int i = 0; i < device_count(); ++i) {
      all->push_back(std::make_unique<BlockCache>(
          MemorySource{acquire, give_back, reuse ? std::int64_t{512} : std::int64_t{4}, reuse}));
    }
    return all;
  }();
  return *caches[static_cast<std::size_t>(device.index)];
}

}  // namespace

Block allocate(Device device, std::int64_t bytes, DeviceStream* stream) {
  return cache_of(device).allocate(bytes, stream);
}

void release(Device device, const Block& block, DeviceStream* stream) noexcept {
  cache_of(device).release(block, stream);
}

void copy_memory(Device to_device, void* to, Device from_device, const void* from,
                 std::int64_t bytes, DeviceStream* stream) {
  if (bytes == 0) return;
  const bool within = to_device == from_device;
  if (!within && to_device.kind == from_device.kind) {
    throw DeviceError("a copy from one GPU to another has to go through the CPU");
  }
  const cudaMemcpyKind kind = within                               ? cudaMemcpyDeviceToDevice
                              : to_device.kind == DeviceKind::cuda ? cudaMemcpyHostToDevice
                                                                   : cudaMemcpyDeviceToHost;
  const cudaStream_t on =
      stream_of(to_device.kind == DeviceKind::cuda ? to_device : from_device, stream);
  TRIFOLD_CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, on));
  // The caller may reuse or read its host memory at once.
  if (!within) TRIFOLD_CUDA_CHECK(cudaStreamSynchronize(on));
}

void clear_memory(Device device, void* data, std::int64_t bytes, DeviceStream* stream) {
  if (bytes == 0) return;
  TRIFOLD_CUDA_CHECK(
      cudaMemsetAsync(data, 0, static_cast<std::size_t>(bytes), stream_of(device, stream)));
}

void synchronize(Device device, DeviceStream* stream) {
  TRIFOLD_CUDA_CHECK(cudaStreamSynchronize(stream_of(device, stream)));
}

MemoryUse memory_use(Device device) { return cache_of(device).use(); }

void reset_memory_peak(Device device) { cache_of(device).reset_peak(); }

void release_cached_memory(Device device) { cache_of(device).release_cached(); }

void use_pool(Device device, const void* pool) { cache_of(device).use_pool(pool); }

void drop_pool(Device device, const void* pool) noexcept { cache_of(device).drop_pool(pool); }

}  // namespace trifold::kernels::cuda
