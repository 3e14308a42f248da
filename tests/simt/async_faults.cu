#include "kernels/simt/tensor_core.h"
#include "tests/simt/faults.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

/// One warp copies 32 vectors, and each lane reads its own.
__device__ void copy_own(float4* tile, const float* x) {
  simt::cp_async16(tile + threadIdx.x, x + 4 * threadIdx.x);
}

template <bool broken>
__global__ void never_committed(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  copy_own(tile, x);
  if (!broken) simt::cp_async_commit();
  simt::cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x].x;
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
}

template <bool broken>
__global__ void own_read_before_wait(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  copy_own(tile, x);
  simt::cp_async_commit();
  if (!broken) simt::cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x].x;
  simt::cp_async_wait<0>();
}

template <bool broken>
__global__ void target_written_before_wait(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  copy_own(tile, x);
  simt::cp_async_commit();
  if (!broken) simt::cp_async_wait<0>();
  tile[threadIdx.x].x = 1;
  simt::cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x].x;
}

template <bool broken>
__global__ void source_written_before_wait(float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  copy_own(tile, x);
  simt::cp_async_commit();
  if (!broken) simt::cp_async_wait<0>();
  x[4 * threadIdx.x] = -1;
  simt::cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x].x;
}

template <bool broken>
__global__ void two_copies_to_one(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  simt::cp_async16(tile + (broken ? threadIdx.x / 2 : threadIdx.x), x + 4 * threadIdx.x);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x / 2].x;
}

/// Each thread waits for its own copies: the barrier has to come after the wait.
template <bool broken>
__global__ void barrier_before_wait(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  copy_own(tile, x);
  simt::cp_async_commit();
  if (broken) __syncthreads();
  simt::cp_async_wait<0>();
  if (!broken) __syncthreads();
  y[threadIdx.x] = tile[31 - threadIdx.x].x;
}

/// A stage that is still read is filled anew.
template <bool broken>
__global__ void stage_filled_while_read(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  float sum = 0;
  for (int step = 0; step < 2; ++step) {
    copy_own(tile, x + 128 * step);
    simt::cp_async_commit();
    simt::cp_async_wait<0>();
    __syncthreads();
    sum += tile[31 - threadIdx.x].x;
    if (!broken) __syncthreads();
  }
  y[threadIdx.x] = sum;
}

template <bool broken>
__global__ void copy_to_global(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  void* to = broken ? static_cast<void*>(y + 4 * threadIdx.x) : tile + threadIdx.x;
  simt::cp_async16(to, x + 4 * threadIdx.x);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
}

template <bool broken>
__global__ void copy_from_shared(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [64]);
  tile[threadIdx.x] = make_float4(1, 2, 3, 4);
  const void* from = broken ? static_cast<const void*>(tile + threadIdx.x) : x + 4 * threadIdx.x;
  simt::cp_async16(tile + 32 + threadIdx.x, from);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  y[threadIdx.x] = tile[32 + threadIdx.x].x;
}

template <bool broken>
__global__ void copy_past_end(const float* x, float* y) {
  SIMT_SHARED(float4, tile, [32]);
  // x has 256 floats: half of the vectors would lie behind them.
  const unsigned from = 4 * threadIdx.x + (broken ? 192 : 0);
  simt::cp_async16(tile + threadIdx.x, x + from);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x].x;
}

}  // namespace

std::vector<FaultCase> async_faults() {
  const Fault fault = Fault::async_copy;
  return {
      {"CopyNeverCommitted", RUN_READER(never_committed), fault, false},
      {"OwnReadBeforeWait", RUN_READER(own_read_before_wait), fault, false},
      {"TargetWrittenBeforeWait", RUN_READER(target_written_before_wait), fault, false},
      {"SourceWrittenBeforeWait",
       [](bool b) {
         const Array<float> x(ramp(128)), y(32);
         run_pair(b, source_written_before_wait<true>, source_written_before_wait<false>, 1, 32,
                  x.data(), y.data());
       },
       fault, true},
      {"TwoCopiesToOnePlace", RUN_READER(two_copies_to_one), Fault::race, false},
      {"BarrierBeforeWait", RUN_READER(barrier_before_wait), fault, false},
      {"StageFilledWhileRead", RUN_READER(stage_filled_while_read), Fault::race, false},
      {"AsyncCopyToGlobal", RUN_READER(copy_to_global), Fault::invalid_address, true},
      {"AsyncCopyFromShared", RUN_READER(copy_from_shared), Fault::invalid_address, true},
      {"AsyncCopyPastEnd", RUN_READER(copy_past_end), Fault::out_of_bounds, false},
  };
}

}  // namespace simt::test
