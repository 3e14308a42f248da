#include "engine/buffer.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <tuple>
#include <utility>

#include "kernels/error.h"

namespace trifold::engine {
namespace {

constexpr std::align_val_t alignment{64};

// A reused block hides a read after free and a write past its end, so sanitizer builds go without.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool reuse_blocks = false;
#else
constexpr bool reuse_blocks = true;
#endif

class CpuMemory {
 public:
  std::pair<void*, std::int64_t> allocate(std::int64_t bytes) {
    const std::int64_t capacity = std::max<std::int64_t>((bytes + 63) / 64 * 64, 64);
    std::lock_guard lock(mutex_);
    auto [data, taken] = take_cached(capacity);
    if (!data) {
      data = ::operator new(static_cast<std::size_t>(capacity), alignment, std::nothrow);
      if (!data) {  // The cache may hold what is missing, in blocks of other sizes.
        release_locked();
        data = ::operator new(static_cast<std::size_t>(capacity), alignment, std::nothrow);
      }
      require<DeviceError>(data != nullptr,
                           "out of memory: {} bytes on top of {} in use; use a smaller --batch",
                           bytes, use_.now_bytes);
      taken = capacity;
    }
    use_.now_bytes += bytes;
    use_.peak_bytes = std::max(use_.peak_bytes, use_.now_bytes);
    return {data, taken};
  }

  void free(void* data, std::int64_t bytes, std::int64_t capacity) noexcept {
    std::lock_guard lock(mutex_);
    use_.now_bytes -= bytes;
    if (reuse_blocks) {
      free_.emplace(capacity, data);
    } else {
      ::operator delete(data, alignment);
    }
  }

  MemoryUse use() {
    std::lock_guard lock(mutex_);
    return use_;
  }

  void reset_peak() {
    std::lock_guard lock(mutex_);
    use_.peak_bytes = use_.now_bytes;
  }

  void release() {
    std::lock_guard lock(mutex_);
    release_locked();
  }

 private:
  // The smallest block that fits and wastes at most an eighth, or null.
  std::pair<void*, std::int64_t> take_cached(std::int64_t capacity) {
    const auto found = free_.lower_bound(capacity);
    if (found == free_.end() || found->first > capacity + capacity / 8) return {nullptr, 0};
    const auto [taken, data] = *found;
    free_.erase(found);
    return {data, taken};
  }

  void release_locked() {
    for (const auto& [capacity, data] : free_) ::operator delete(data, alignment);
    free_.clear();
  }

  std::mutex mutex_;
  std::multimap<std::int64_t, void*> free_;
  MemoryUse use_;
};

// Never destroyed: buffers of static lifetime may be freed after it would have been.
CpuMemory& cpu_memory() {
  static CpuMemory& memory = *new CpuMemory;
  return memory;
}

void require_cpu(Device device) {
  require<DeviceError>(device.kind == DeviceKind::cpu,
                       "this build has no CUDA backend; use --device cpu");
}

}  // namespace

Buffer::Buffer(Device device, std::int64_t bytes) : bytes_(bytes), device_(device) {
  require_cpu(device);
  std::tie(data_, capacity_bytes_) = cpu_memory().allocate(bytes);
}

Buffer::~Buffer() {
  if (data_) cpu_memory().free(data_, bytes_, capacity_bytes_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      capacity_bytes_(std::exchange(other.capacity_bytes_, 0)),
      device_(other.device_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  Buffer moved(std::move(other));
  std::swap(data_, moved.data_);
  std::swap(bytes_, moved.bytes_);
  std::swap(capacity_bytes_, moved.capacity_bytes_);
  std::swap(device_, moved.device_);
  return *this;
}

MemoryUse memory_use(Device device) {
  require_cpu(device);
  return cpu_memory().use();
}

void reset_memory_peak(Device device) {
  require_cpu(device);
  cpu_memory().reset_peak();
}

void release_cached_memory(Device device) {
  require_cpu(device);
  cpu_memory().release();
}

}  // namespace trifold::engine
