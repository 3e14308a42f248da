#include "tests/simt/faults.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

__global__ void fill(float* y) { y[threadIdx.x] = 1; }

__global__ void nothing() {}

template <int bytes>
struct Parameter {
  char of[bytes];
};
template <int bytes>
__global__ void take(Parameter<bytes>) {}

__global__ void fill_shared(float* y) {
  SIMT_DYN_SHARED(float, tile);
  tile[threadIdx.x] = 1;
  y[threadIdx.x] = tile[threadIdx.x];
}

/// Static and dynamic shared memory of so many KiB.
template <int kib>
__global__ void hold_shared(float* y) {
  SIMT_SHARED(float, own, [kib * 256]);
  SIMT_DYN_SHARED(float, tile);
  own[threadIdx.x] = tile[threadIdx.x] = 1;
  y[threadIdx.x] = own[threadIdx.x] + tile[threadIdx.x];
}

/// Launched as at this capability, or as by triple chevrons, which ask for nothing.
template <int kib>
void run_shared(int dynamic_kib, int capability, bool asks = true) {
  const int before = settings().capability;
  settings().capability = capability;
  const Array<float> y(32);
  const auto bytes = static_cast<std::size_t>(dynamic_kib) * 1024;
  if (asks) {
    launch(hold_shared<kib>, 1, 32, bytes, nullptr, y.data());
  } else {
    enqueue(make_launch(hold_shared<kib>, 1, 32, bytes, nullptr, y.data()));
  }
  settings().capability = before;
}

void launch_grid(dim3 grid, dim3 block) { launch(nothing, grid, block, 0, nullptr); }

float* freed_array() {
  float* data = nullptr;
  cudaMalloc(&data, 256);
  cudaFree(data);
  return data;
}

/// A captured kernel that writes an array which is freed before the graph is launched, or after.
void launch_graph(bool freed) {
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  float* y = nullptr;
  cudaMalloc(&y, 256);
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  launch(fill, 1, 64, 0, stream, y);
  cudaStreamEndCapture(stream, &graph);
  cudaGraphInstantiateWithFlags(&executable, graph, 0);
  if (freed) cudaFree(y);
  cudaGraphLaunch(executable, stream);
  cudaStreamSynchronize(stream);
  if (!freed) cudaFree(y);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
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
      // At capability 8.0 a block may have 163 KiB, at 7.5 it may have 64.
      {"SharedNotAskedFor", [](bool b) { run_shared<10>(b ? 39 : 38, 80, false); },
       Fault::bad_launch, true},
      {"SharedAskedForOneLaunch",
       [](bool b) {
         run_shared<9>(60, 80);
         run_shared<9>(b ? 61 : 60, 80, false);
       },
       Fault::bad_launch, true},
      {"DynamicSharedTooLarge", [](bool b) { run_shared<1>(b ? 163 : 162, 80); }, Fault::bad_launch,
       true},
      {"AllSharedTooLarge", [](bool b) { run_shared<40>(b ? 124 : 123, 80); }, Fault::bad_launch,
       true},
      {"AllSharedTooLargeAtCapability75", [](bool b) { run_shared<24>(b ? 41 : 40, 75); },
       Fault::bad_launch, true},
      {"SharedOfCapability80At75", [](bool b) { run_shared<8>(60, b ? 75 : 80); },
       Fault::bad_launch, true},
      {"StaticSharedTooLarge", [](bool b) { b ? run_shared<49>(1, 80) : run_shared<47>(1, 80); },
       Fault::bad_launch, true},
      {"GridTooHigh",
       [](bool b) {
         launch_grid({1, b ? 65536u : 1u}, 64);
       },
       Fault::bad_launch, true},
      {"GridTooDeep",
       [](bool b) {
         launch_grid({1, 1, b ? 65536u : 1u}, 64);
       },
       Fault::bad_launch, true},
      {"GridTooWide", [](bool b) { launch_grid({b ? 0x80000000u : 1u}, 64); }, Fault::bad_launch,
       true},
      {"BlockTooDeep",
       [](bool b) {
         launch_grid(1, {1, 1, b ? 65u : 64u});
       },
       Fault::bad_launch, true},
      {"EmptyBlock", [](bool b) { launch_grid(1, b ? 0 : 64); }, Fault::bad_launch, true},
      {"ParametersTooLarge",
       [](bool b) {
         b ? launch(take<4097>, 1, 1, 0, nullptr, Parameter<4097>{})
           : launch(take<4096>, 1, 1, 0, nullptr, Parameter<4096>{});
       },
       Fault::bad_launch, true},
      {"CopyToFreed",
       [](bool b) {
         const Array<float> x(64);
         const std::vector<float> host = ramp(64);
         cudaMemcpy(b ? freed_array() : x.data(), host.data(), 256, cudaMemcpyHostToDevice);
       },
       Fault::bad_copy, true},
      {"CopyOfHostAsDevice",
       [](bool b) {
         const Array<float> x(ramp(64)), y(64);
         const std::vector<float> host = ramp(64);
         cudaMemcpy(y.data(), b ? host.data() : x.data(), 256, cudaMemcpyDeviceToDevice);
       },
       Fault::bad_copy, true},
      {"FillOfFreed",
       [](bool b) {
         const Array<float> x(64);
         cudaMemset(b ? freed_array() : x.data(), 0, 256);
       },
       Fault::bad_copy, true},
      {"GraphOfFreedMemory", launch_graph, Fault::use_after_free, false},
  };
}

}  // namespace simt::test
