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

/// Runs a pair that writes y alone.
template <auto bad, auto good, unsigned blocks, unsigned threads>
void run_writer(bool broken) {
  const Array<float> y(blocks * threads);
  run_pair(broken, +bad, +good, blocks, threads, y.data());
}

/// Runs a pair that reads 256 floats and writes y, by one warp.
template <auto bad, auto good>
void run_reader(bool broken) {
  const Array<float> x(ramp(256)), y(256);
  run_pair(broken, +bad, +good, 1, 32, x.data(), y.data());
}

#define RUN_WRITER(kernel, blocks, threads) run_writer<kernel<true>, kernel<false>, blocks, threads>
#define RUN_READER(kernel) run_reader<kernel<true>, kernel<false>>

}  // namespace simt::test
