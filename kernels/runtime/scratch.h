/// Memory that a kernel's host needs beside its results.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"
#include "kernels/runtime/memory.h"

namespace trifold::kernels {

/// `count` elements on ex.device, not initialised; nothing for 0. It may end before the kernels
/// that use it do, for what gets the memory next comes after them on the same stream.
template <class T = float>
class Scratch {
 public:
  Scratch(const Exec& ex, std::int64_t count) : device_(ex.device), stream_(ex.stream) {
    if (count > 0) {
      block_ = kernels::allocate(device_, count * static_cast<std::int64_t>(sizeof(T)), stream_);
    }
  }
  ~Scratch() {
    if (block_.data != nullptr) kernels::release(device_, block_, stream_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const { return static_cast<T*>(block_.data); }

 private:
  Device device_;
  DeviceStream* stream_;
  Block block_;
};

}  // namespace trifold::kernels
