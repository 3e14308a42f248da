#include "tests/simt/semantics.h"

#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

constexpr int outputs = 11;

__global__ void warp_kernel(int* y) {
  const int lane = static_cast<int>(threadIdx.x);
  const int value = 10 * lane;
  const int results[outputs] = {
      __shfl_sync(~0u, value, 3),
      __shfl_xor_sync(~0u, value, 5),
      __shfl_down_sync(~0u, value, 4),
      __shfl_up_sync(~0u, value, 4, 8),
      static_cast<int>(__ballot_sync(~0u, lane % 2 == 0)),
      __any_sync(~0u, lane == 40),
      __all_sync(~0u, lane < 32),
      static_cast<int>(__match_any_sync(~0u, lane / 8)),
      __reduce_add_sync(~0u, value),
      __reduce_min_sync(~0u, value - 7),
      __reduce_max_sync(~0u, value),
  };
  for (int i = 0; i < outputs; ++i) y[i * 32 + lane] = results[i];
}

__global__ void barrier_kernel(int* y) {
  SIMT_DYN_SHARED(int, tile);
  const int thread = static_cast<int>(threadIdx.x), count = static_cast<int>(blockDim.x);
  const bool holds = thread % 3 == 0;
  tile[thread] = thread;
  y[thread] = __syncthreads_count(holds);
  y[count + thread] = __syncthreads_and(holds);
  y[2 * count + thread] = __syncthreads_or(holds);
  y[3 * count + thread] = tile[count - 1 - thread];
}

__global__ void atomic_kernel(int* y, float* sum) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&y[0], i);
  atomicMin(&y[1], i - 5);
  atomicMax(&y[2], i);
  if (atomicExch(&y[3], 1) == 0) atomicAdd(&y[4], 1);
  atomicOr(&y[5], 1 << i % 16);
  atomicCAS(&y[6], i, i + 1);
  atomicAdd(sum, 0.5f);
}

__global__ void index_kernel(int* y) {
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
  y[i] = static_cast<int>(i);
}

__global__ void scale(const float* x, float* y, float factor) {
  y[threadIdx.x] = factor * x[threadIdx.x];
}

__global__ void strided_kernel(const float* x, float* y, int stride) {
  SIMT_SHARED(float, tile, [32 * 32]);
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 32; ++i) tile[32 * i + lane] = 1;
  __syncthreads();
  y[lane] = tile[lane * stride] + x[lane * stride];
}

std::vector<int> part(const std::vector<int>& all, std::size_t index, std::size_t count) {
  const auto begin = all.begin() + static_cast<std::ptrdiff_t>(index * count);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  return stream;
}

}  // namespace

WarpResults run_warp() {
  const Array<int> y(outputs * 32);
  launch(warp_kernel, 1, 32, 0, nullptr, y.data());
  const std::vector<int> all = y.values();
  const auto of = [&](std::size_t i) { return part(all, i, 32); };
  return {of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7), of(8), of(9), of(10)};
}

BarrierResults run_barriers(unsigned threads) {
  const Array<int> y(4 * threads);
  launch(barrier_kernel, 1, threads, threads * sizeof(int), nullptr, y.data());
  const std::vector<int> all = y.values();
  return {part(all, 0, threads), part(all, 1, threads), part(all, 2, threads),
          part(all, 3, threads)};
}

AtomicResults run_atomics() {
  const Array<int> y(std::vector<int>(7, 0));
  const Array<float> sum(std::vector<float>{0});
  launch(atomic_kernel, 4, 64, 0, nullptr, y.data(), sum.data());
  const std::vector<int> v = y.values();
  return {v[0], v[1], v[2], v[4], v[5], v[6], sum.values()[0]};
}

std::vector<int> run_indices() {
  const Array<int> y(12 * 24);
  launch(index_kernel, dim3(3, 2, 2), dim3(4, 3, 2), 0, nullptr, y.data());
  return y.values();
}

float run_two_streams(bool waits) {
  const Array<float> x(std::vector<float>(32, 1)), y(std::vector<float>(32, 0)),
      z(std::vector<float>(32, 0));
  cudaDeviceSynchronize();
  cudaStream_t first = new_stream(), second = new_stream();
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  launch(scale, 1, 32, 0, first, x.data(), y.data(), 3.0f);
  cudaEventRecord(event, first);
  if (waits) cudaStreamWaitEvent(second, event);
  launch(scale, 1, 32, 0, second, y.data(), z.data(), 2.0f);
  cudaStreamSynchronize(second);
  const float result = z.values()[5];
  cudaStreamSynchronize(first);
  cudaEventDestroy(event);
  cudaStreamDestroy(first);
  cudaStreamDestroy(second);
  return result;
}

float run_pinned(bool synchronises) {
  const Array<float> x(std::vector<float>(32, 7));
  float* pinned = nullptr;
  cudaMallocHost(&pinned, 32 * sizeof(float));
  pinned[5] = -1;
  cudaStream_t stream = new_stream();
  cudaMemcpyAsync(pinned, x.data(), 32 * sizeof(float), cudaMemcpyDeviceToHost, stream);
  if (synchronises) cudaStreamSynchronize(stream);
  const float result = pinned[5];
  cudaStreamDestroy(stream);
  cudaFreeHost(pinned);
  return result;
}

std::vector<float> run_graph(int launches) {
  const Array<float> x(std::vector<float>(32, 1));
  cudaDeviceSynchronize();
  cudaStream_t stream = new_stream();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  launch(scale, 1, 32, 0, stream, x.data(), x.data(), 2.0f);
  launch(scale, 1, 32, 0, stream, x.data(), x.data(), 3.0f);
  cudaStreamEndCapture(stream, &graph);
  cudaGraphInstantiateWithFlags(&executable, graph, 0);
  cudaGraphDestroy(graph);
  std::vector<float> results;
  for (int i = 0; i <= launches; ++i) {
    if (i > 0) cudaGraphLaunch(executable, stream);
    cudaStreamSynchronize(stream);
    results.push_back(x.values()[5]);
  }
  cudaGraphExecDestroy(executable);
  cudaStreamDestroy(stream);
  return results;
}

std::vector<cudaError_t> spoil_capture(Uncapturable call) {
  cudaStream_t stream = new_stream();
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  cudaGraph_t graph = nullptr;
  float* data = nullptr;
  cudaMalloc(&data, 64);
  std::vector<float> host(16, 1);
  const auto make = [&]() -> cudaError_t {
    void* more = nullptr;
    switch (call) {
      case Uncapturable::allocation:
        return cudaMalloc(&more, 64);
      case Uncapturable::release:
        return cudaFree(data);
      case Uncapturable::pinned_allocation:
        return cudaMallocHost(&more, 64);
      case Uncapturable::pageable_copy:
        return cudaMemcpyAsync(data, host.data(), 64, cudaMemcpyHostToDevice, stream);
      case Uncapturable::waiting_copy:
        return cudaMemcpy(data, host.data(), 64, cudaMemcpyHostToDevice);
      case Uncapturable::stream_synchronisation:
        return cudaStreamSynchronize(stream);
      case Uncapturable::device_synchronisation:
        return cudaDeviceSynchronize();
      case Uncapturable::event_synchronisation:
        return cudaEventSynchronize(event);
      case Uncapturable::query:
        return cudaStreamQuery(stream);
    }
    return cudaSuccess;
  };
  std::vector<cudaError_t> results;
  results.push_back(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  results.push_back(make());
  results.push_back(cudaStreamEndCapture(stream, &graph));
  void* later = nullptr;
  results.push_back(cudaMalloc(&later, 64));
  cudaFree(later);
  cudaFree(data);
  cudaEventDestroy(event);
  cudaStreamDestroy(stream);
  cudaGetLastError();
  return results;
}

void run_strided(int stride) {
  const Array<float> x(ramp(32 * 32)), y(32);
  launch(strided_kernel, 1, 32, 0, nullptr, x.data(), y.data(), stride);
  cudaDeviceSynchronize();
}

}  // namespace simt::test
