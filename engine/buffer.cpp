#include "engine/buffer.h"

#include <utility>

namespace trifold::engine {

Buffer::Buffer(Device device, std::int64_t bytes)
    : block_(kernels::allocate(device, bytes)), device_(device) {}

Buffer::~Buffer() {
  if (block_.data) kernels::release(device_, block_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : block_(std::exchange(other.block_, {})), device_(other.device_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  Buffer moved(std::move(other));
  std::swap(block_, moved.block_);
  std::swap(device_, moved.device_);
  return *this;
}

}  // namespace trifold::engine
