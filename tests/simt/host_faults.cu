#include "tests/simt/faults.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

__global__ void fill(float* y) { y[threadIdx.x] = 1; }

__global__ void fill_shared(float* y) {
  SIMT_DYN_SHARED(float, tile);
  tile[threadIdx.x] = 1;
  y[threadIdx.x] = tile[threadIdx.x];
}

void copy_bytes(std::size_t bytes, cudaMemcpyKind kind) {
  const Array<float> x(64);
  const std::vector<float> host = ramp(65);
  cudaMemcpy(x.data(), host.data(), bytes, kind);
}

}  // namespace

std::vector<FaultCase> host_faults() {
  return {
      {"CopyTooLong", [](bool b) { copy_bytes(b ? 260 : 256, cudaMemcpyHostToDevice); },
       Fault::bad_copy, true},
      {"WrongKindOfCopy",
       [](bool b) { copy_bytes(256, b ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice); },
       Fault::bad_copy, true},
      {"FillTooLong",
       [](bool b) {
         const Array<float> x(64);
         cudaMemset(x.data(), 0, b ? 257 : 256);
       },
       Fault::bad_copy, true},
      {"TooManyThreads",
       [](bool b) {
         const Array<float> y(1024);
         launch(fill, 1, b ? 1025 : 1024, 0, nullptr, y.data());
       },
       Fault::bad_launch, true},
      {"EmptyGrid",
       [](bool b) {
         const Array<float> y(64);
         launch(fill, b ? 0 : 1, 64, 0, nullptr, y.data());
       },
       Fault::bad_launch, true},
      {"NoDynamicShared",
       [](bool b) {
         const Array<float> y(64);
         launch(fill_shared, 1, 64, b ? 0 : 256, nullptr, y.data());
       },
       Fault::bad_launch, true},
  };
}

}  // namespace simt::test
