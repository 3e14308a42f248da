/// The devices that a kernel's tests run on, and guarded arrays in their memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "kernels/runtime/exec.h"
#include "kernels/runtime/memory.h"

namespace trifold::kernels::test {

inline std::string to_string(Device device) {
  return device.kind == DeviceKind::cpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

/// The CPU, and the first GPU where the build and the machine have one.
inline std::vector<Device> devices() {
  std::vector<Device> all{Device{}};
  if (device_count(DeviceKind::cuda) > 0) all.push_back({DeviceKind::cuda, 0});
  return all;
}

/// An array in a device's memory between bands of canaries that no kernel may touch. The bands are
/// 256 bytes or more, so that the array is aligned as a whole block is.
template <class T>
class DeviceArray {
 public:
  DeviceArray(Device device, const std::vector<T>& values)
      : device_(device), count_(values.size()) {
    std::vector<T> all(count_ + 2 * band, canary);
    std::copy(values.begin(), values.end(), all.begin() + band);
    block_ = allocate(device_, static_cast<std::int64_t>(all.size() * sizeof(T)));
    copy_memory(device_, block_.data, Device{}, all.data(), block_.bytes);
  }
  ~DeviceArray() {
    if (block_.data != nullptr) release(device_, block_);
  }
  DeviceArray(DeviceArray&& other) noexcept
      : device_(other.device_),
        count_(other.count_),
        block_(std::exchange(other.block_, Block{})) {}
  DeviceArray& operator=(DeviceArray&&) = delete;

  /// The array itself, on the device.
  T* data() const { return static_cast<T*>(block_.data) + band; }

  /// A copy on the host, once all work on the device is done.
  std::vector<T> values() const {
    const std::vector<T> all = everything();
    return {all.begin() + band, all.end() - band};
  }

  /// Whether the bands hold what they held.
  bool intact() const {
    const std::vector<T> all = everything();
    const auto is_canary = [](T v) { return v == canary; };
    return std::all_of(all.begin(), all.begin() + band, is_canary) &&
           std::all_of(all.end() - band, all.end(), is_canary);
  }

 private:
  static constexpr std::ptrdiff_t band = 64;
  static constexpr T canary = static_cast<T>(-54321);

  std::vector<T> everything() const {
    std::vector<T> all(count_ + 2 * band);
    copy_memory(Device{}, all.data(), device_, block_.data, block_.bytes);
    return all;
  }

  Device device_;
  std::size_t count_;
  Block block_;
};

/// One trial of an op: how to run it, and its inputs on the device.
class Trial : public Exec {
 public:
  explicit Trial(Device on, ThreadPool* threads = nullptr) {
    device = on;
    pool = threads;
  }

  /// The values in the device's memory, read-only for the op, for as long as this trial lasts.
  const float* in(const std::vector<float>& values) const { return put(values, floats_); }
  const std::int32_t* in(const std::vector<std::int32_t>& values) const {
    return put(values, ints_);
  }

  /// Whether every input still holds what was put there.
  bool inputs_intact() const { return intact(floats_) && intact(ints_); }

 private:
  template <class T>
  struct Input {
    std::vector<T> values;
    DeviceArray<T> array;
  };

  template <class T>
  const T* put(const std::vector<T>& values, std::vector<Input<T>>& inputs) const {
    inputs.push_back({values, DeviceArray<T>(device, values)});
    return inputs.back().array.data();
  }

  template <class T>
  static bool intact(const std::vector<Input<T>>& inputs) {
    return std::all_of(inputs.begin(), inputs.end(), [](const Input<T>& input) {
      const std::vector<T> now = input.array.values();
      return input.array.intact() && (now.empty() || std::memcmp(now.data(), input.values.data(),
                                                                 now.size() * sizeof(T)) == 0);
    });
  }

  mutable std::vector<Input<float>> floats_;
  mutable std::vector<Input<std::int32_t>> ints_;
};

}  // namespace trifold::kernels::test
