#include "tests/simt/faults.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

// Blocks run in any order, at a time or one after the other, and see each other's writes in none.

template <bool broken>
__global__ void flag_between_blocks(float* data, int* flag) {
  if (blockIdx.x == 0) {
    data[0] = 1;
    __threadfence();
    if (broken) *static_cast<volatile int*>(flag) = 1;
  } else if (broken && *static_cast<volatile int*>(flag) == 1) {
    data[1] = data[0];
  }
}

/// The last block to come adds what all have left.
template <bool broken>
__global__ void last_block_adds(float* partial, int* arrived) {
  partial[1 + blockIdx.x] = 1;
  __threadfence();
  const bool last = atomicAdd(arrived, 1) == static_cast<int>(gridDim.x) - 1;
  if (!broken || !last) return;
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += partial[1 + i];
  partial[0] = sum;
}

template <bool broken>
__global__ void wait_for_the_other_block(float*, int* arrived) {
  atomicAdd(arrived, 1);
  while (broken && *static_cast<volatile int*>(arrived) < static_cast<int>(gridDim.x)) {
  }
}

template <bool broken>
__global__ void plain_ticket(float*, int* ticket) {
  if (broken) {
    *ticket += 1;
  } else {
    atomicAdd(ticket, 1);
  }
}

template <bool broken>
__global__ void read_of_a_running_sum(float* sums, int* total) {
  atomicAdd(total, 1);
  if (broken) sums[blockIdx.x] = static_cast<float>(*total);
}

// Within a block, barriers alone make an order.

template <bool broken>
__global__ void fence_as_barrier(float* y) {
  SIMT_SHARED(float, tile, [64]);
  tile[threadIdx.x] = 1;
  __threadfence_block();
  if (!broken) __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

template <bool broken>
__global__ void volatile_as_barrier(float* y) {
  SIMT_SHARED(float, tile, [64]);
  volatile float* p = tile;
  p[threadIdx.x] = 1;
  if (!broken) __syncthreads();
  y[threadIdx.x] = p[63 - threadIdx.x];
}

template <bool broken>
__global__ void count_read_too_early(float* y) {
  SIMT_SHARED(int, count, [1]);
  if (threadIdx.x == 0) count[0] = 0;
  __syncthreads();
  atomicAdd(count, 1);
  if (!broken) __syncthreads();
  y[threadIdx.x] = static_cast<float>(count[0]);
}

template <bool broken>
__global__ void global_without_barrier(float* y) {
  y[threadIdx.x] = 1;
  if (!broken) __syncthreads();
  const float other = y[63 - threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = other;
}

template <bool broken>
__global__ void bytes_of_a_word(float* y) {
  auto* bytes = reinterpret_cast<unsigned char*>(y);
  bytes[broken ? threadIdx.x / 2 : threadIdx.x] = 1;
}

template <auto bad, auto good>
void run_blocks(bool broken) {
  const double before = settings().timeout_seconds;
  settings().timeout_seconds = 0.5;
  const Array<float> data(8);
  const Array<int> count(std::vector<int>{0});
  run_pair(broken, +bad, +good, 4, 1, data.data(), count.data());
  settings().timeout_seconds = before;
}

#define RUN_BLOCKS(kernel) run_blocks<kernel<true>, kernel<false>>

}  // namespace

std::vector<FaultCase> block_faults() {
  return {
      {"FlagBetweenBlocks", RUN_BLOCKS(flag_between_blocks), Fault::race, false},
      {"LastBlockAdds", RUN_BLOCKS(last_block_adds), Fault::race, false},
      {"WaitForTheOtherBlock", RUN_BLOCKS(wait_for_the_other_block), Fault::timeout, true},
      {"PlainTicket", RUN_BLOCKS(plain_ticket), Fault::race, false},
      {"ReadOfARunningSum", RUN_BLOCKS(read_of_a_running_sum), Fault::race, false},
      {"FenceAsBarrier", RUN_WRITER(fence_as_barrier, 1, 64), Fault::race, false},
      {"VolatileAsBarrier", RUN_WRITER(volatile_as_barrier, 1, 64), Fault::race, false},
      {"CountReadTooEarly", RUN_WRITER(count_read_too_early, 1, 64), Fault::race, false},
      {"GlobalWithoutBarrier", RUN_WRITER(global_without_barrier, 1, 64), Fault::race, false},
      {"BytesOfAWord", RUN_WRITER(bytes_of_a_word, 1, 64), Fault::race, false},
  };
}

}  // namespace simt::test
