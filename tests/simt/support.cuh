/// Device arrays and launches for the emulator's tests.
#pragma once

#include <vector>

#include "kernels/simt/simt.h"

namespace simt::test {

/// `count` elements in device memory; initialised from host values, or not at all.
template <class T>
class Array {
 public:
  explicit Array(std::size_t count) : count_(count) { cudaMalloc(&data_, count * sizeof(T)); }
  explicit Array(const std::vector<T>& values) : Array(values.size()) {
    cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~Array() { cudaFree(data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> all(count_);
    cudaMemcpy(all.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost);
    return all;
  }

 private:
  std::size_t count_;
  T* data_ = nullptr;
};

inline std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

/// Launches one of a pair of kernels and waits for it.
template <class... Parameters, class... Arguments>
cudaError_t run_pair(bool broken, void (*bad)(Parameters...), void (*good)(Parameters...),
                     unsigned blocks, unsigned threads, Arguments... arguments) {
  const cudaError_t status =
      launch(broken ? bad : good, dim3(blocks), dim3(threads), 0, nullptr, arguments...);
  return status == cudaSuccess ? cudaDeviceSynchronize() : status;
}

}  // namespace simt::test
