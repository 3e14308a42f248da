#include "kernels/simt/tensor_core.h"
#include "tests/simt/faults.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

template <bool broken>
__global__ void missing_barrier(float* y) {
  SIMT_SHARED(float, tile, [256]);
  tile[threadIdx.x] = 1;
  if (!broken) __syncthreads();
  y[threadIdx.x] = tile[(threadIdx.x + 37) % 256];
}

template <bool broken>
__global__ void missing_second_barrier(float* y) {
  SIMT_SHARED(float, tile, [128]);
  float sum = 0;
  for (int k = 0; k < 4; ++k) {
    tile[threadIdx.x] = static_cast<float>(k);
    __syncthreads();
    sum += tile[127 - threadIdx.x];
    if (!broken) __syncthreads();
  }
  y[threadIdx.x] = sum;
}

template <bool broken>
__global__ void two_writers(float* y) {
  SIMT_SHARED(float, one, [1]);
  if (threadIdx.x == 0 || (broken && threadIdx.x == 40)) one[0] = 1;
  __syncthreads();
  y[threadIdx.x] = one[0];
}

template <bool broken>
__global__ void missing_warp_sync(float* y) {
  SIMT_SHARED(float, tile, [32]);
  tile[threadIdx.x] = 1;
  if (!broken) __syncwarp();
  y[threadIdx.x] = tile[31 - threadIdx.x];
}

template <bool broken>
__global__ void blocks_write_one(float* y) {
  y[broken ? threadIdx.x : blockIdx.x * blockDim.x + threadIdx.x] = 1;
}

template <bool broken>
__global__ void read_other_block(float* y) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = broken && blockIdx.x > 0 ? y[i - blockDim.x] : 1;
}

template <bool broken>
__global__ void write_what_block_read(const float* x, float* y) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const float value = x[i];
  y[broken ? (i + blockDim.x) % (gridDim.x * blockDim.x) : i] = value;
}

template <bool broken>
__global__ void histogram(const int* x, int* counts) {
  int* p = counts + x[threadIdx.x];
  if (broken) {
    *p += 1;
  } else {
    atomicAdd(p, 1);
  }
}

template <bool broken>
__global__ void plain_beside_atomic(int* counts) {
  if (broken && threadIdx.x == 0) counts[0] = 5;
  atomicAdd(counts, 1);
}

template <bool broken>
__global__ void half_words(__nv_bfloat16* y) {
  y[broken ? threadIdx.x / 2 : threadIdx.x] = __float2bfloat16(1.0f);
}

template <bool broken>
__global__ void divergent_barrier(float* y) {
  if (!broken || threadIdx.x < 48) __syncthreads();
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void barrier_in_each_arm(float* y) {
  if (!broken) __syncthreads();
  if (broken && threadIdx.x % 2 == 0) {
    __syncthreads();
    y[threadIdx.x] = 1;
  } else if (broken) {
    __syncthreads();
    y[threadIdx.x] = 2;
  }
}

template <bool broken>
__global__ void early_return(float* y, unsigned n) {
  if (broken && threadIdx.x >= n) return;
  __syncthreads();
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void uneven_loop(float* y) {
  const int times = broken && threadIdx.x == 7 ? 3 : 4;
  for (int i = 0; i < times; ++i) __syncthreads();
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void shuffle_with_exited(float* y) {
  if (broken && threadIdx.x >= 24) return;
  y[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);
}

template <bool broken>
__global__ void shuffle_in_branch(float* y) {
  float v = 1;
  if (!broken || threadIdx.x < 16) v = __shfl_down_sync(~0u, v, 1);
  y[threadIdx.x] = v;
}

template <bool broken>
__global__ void caller_not_in_mask(float* y) {
  y[threadIdx.x] = __shfl_sync(broken ? 0xffffu : ~0u, 1.0f, 0);
}

template <bool broken>
__global__ void source_not_in_mask(float* y) {
  const unsigned mask = threadIdx.x < 16 ? 0xffffu : 0xffff0000u;
  y[threadIdx.x] = __shfl_sync(mask, 1.0f, threadIdx.x < 16 ? (broken ? 20 : 3) : 20);
}

template <bool broken>
__global__ void overlapping_masks(float* y) {
  const unsigned mask = threadIdx.x < 16 ? (broken ? 0x1ffffu : 0xffffu) : 0xffff0000u;
  __syncwarp(mask);
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void different_operations(float* y) {
  int v = 0;
  if (broken && threadIdx.x < 16) {
    v = __any_sync(~0u, 1);
  } else {
    v = __shfl_sync(~0u, 1, 0);
  }
  y[threadIdx.x] = static_cast<float>(v);
}

template <bool broken>
__global__ void barrier_against_warp(float* y) {
  if (broken && threadIdx.x == 0) {
    __syncthreads();
  } else {
    __syncwarp();
  }
  y[threadIdx.x] = 1;
}

/// 32 threads copy 128 floats and read each other's.
template <bool waits, bool barrier>
__device__ void copy_reversed(const float* x, float* y) {
  SIMT_SHARED(float4, vectors, [32]);
  auto* tile = reinterpret_cast<float*>(vectors);
  simt::cp_async16(tile + 4 * threadIdx.x, x + 4 * threadIdx.x);
  simt::cp_async_commit();
  if (waits) simt::cp_async_wait<0>();
  if (barrier) __syncthreads();
  y[threadIdx.x] = tile[127 - threadIdx.x];
  simt::cp_async_wait<0>();
}

template <bool broken>
__global__ void copy_not_awaited(const float* x, float* y) {
  copy_reversed<!broken, true>(x, y);
}

template <bool broken>
__global__ void copy_without_barrier(const float* x, float* y) {
  copy_reversed<true, !broken>(x, y);
}

template <bool broken>
__global__ void copy_left_behind(const float* x, float* y) {
  SIMT_SHARED(float4, vectors, [32]);
  auto* tile = reinterpret_cast<float*>(vectors);
  simt::cp_async16(tile + 4 * threadIdx.x, x + 4 * threadIdx.x);
  simt::cp_async_commit();
  if (!broken) simt::cp_async_wait<0>();
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void copy_one_stage_behind(const float* x, float* y) {
  SIMT_SHARED(float4, vectors, [2][32]);
  const unsigned t = threadIdx.x;
  for (int stage = 0; stage < 2; ++stage) {
    simt::cp_async16(&vectors[stage][t], x + 128 * stage + 4 * t);
    simt::cp_async_commit();
  }
  simt::cp_async_wait<broken ? 2 : 1>();
  __syncthreads();
  y[t] = vectors[0][31 - t].w;
  simt::cp_async_wait<0>();
}

template <bool broken>
__global__ void misaligned_ldmatrix(float* y) {
  SIMT_SHARED(uint4, memory, [16 * 3]);
  auto* tile = reinterpret_cast<__nv_bfloat16*>(memory);
  for (unsigned i = threadIdx.x; i < 16 * 24; i += 32) tile[i] = __float2bfloat16(1.0f);
  __syncwarp();
  std::uint32_t r[4];
  simt::ldmatrix_x4(r, tile + threadIdx.x % 16 * (broken ? 20 : 24) + threadIdx.x / 16 * 8);
  y[threadIdx.x] = __uint_as_float(r[0] << 16);
}

template <bool broken>
__global__ void ldmatrix_without_sync(float* y) {
  SIMT_SHARED(uint4, memory, [8 * 4]);
  auto* tile = reinterpret_cast<__nv_bfloat16*>(memory);
  for (int i = 0; i < 8; ++i) tile[threadIdx.x * 8 + i] = __float2bfloat16(1.0f);
  if (!broken) __syncwarp();
  std::uint32_t r[4];
  simt::ldmatrix_x4(r, tile + threadIdx.x * 8);
  y[threadIdx.x] = __uint_as_float(r[0] << 16);
}

template <bool broken>
__global__ void spin(const volatile int* flag, float* y) {
  while (broken && *flag != 99) {
  }
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void spin_in_turns(const volatile int* flag, float* y) {
  while (broken && threadIdx.x == 1 && *flag != 99) __syncwarp(2u);
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void trapped(float* y) {
  if (broken && threadIdx.x == 3) __trap();
  y[threadIdx.x] = 1;
}

/// Runs a pair that waits for a flag, for half a second at most.
template <auto bad, auto good>
void run_spinner(bool broken) {
  const double before = settings().timeout_seconds;
  settings().timeout_seconds = 0.5;
  const Array<int> flag(std::vector<int>{0});
  const Array<float> y(32);
  run_pair(broken, +bad, +good, 1, 32, flag.data(), y.data());
  settings().timeout_seconds = before;
}

#define SPINNER(kernel) run_spinner<kernel<true>, kernel<false>>

}  // namespace

std::vector<FaultCase> order_faults() {
  return {
      {"MissingBarrier", RUN_WRITER(missing_barrier, 1, 256), Fault::race, false},
      {"MissingSecondBarrier", RUN_WRITER(missing_second_barrier, 1, 128), Fault::race, false},
      {"TwoWriters", RUN_WRITER(two_writers, 1, 64), Fault::race, false},
      {"MissingWarpSync", RUN_WRITER(missing_warp_sync, 1, 32), Fault::race, false},
      {"BlocksWriteOne", RUN_WRITER(blocks_write_one, 2, 64), Fault::race, false},
      {"ReadOtherBlock", RUN_WRITER(read_other_block, 4, 64), Fault::race, false},
      {"WriteWhatBlockRead",
       [](bool b) {
         const Array<float> x(ramp(128));
         run_pair(b, write_what_block_read<true>, write_what_block_read<false>, 2, 64, x.data(),
                  x.data());
       },
       Fault::race, false},
      {"Histogram",
       [](bool b) {
         const Array<int> x(std::vector<int>(64, 3)), counts(std::vector<int>(8, 0));
         run_pair(b, histogram<true>, histogram<false>, 1, 64, x.data(), counts.data());
       },
       Fault::race, false},
      {"PlainBesideAtomic",
       [](bool b) {
         const Array<int> counts(std::vector<int>(8, 0));
         run_pair(b, plain_beside_atomic<true>, plain_beside_atomic<false>, 1, 64, counts.data());
       },
       Fault::race, false},
      {"HalfWords",
       [](bool b) {
         const Array<__nv_bfloat16> y(64);
         run_pair(b, half_words<true>, half_words<false>, 1, 64, y.data());
       },
       Fault::race, false},
      {"DivergentBarrier", RUN_WRITER(divergent_barrier, 1, 64), Fault::barrier_divergence, true},
      {"BarrierInEachArm", RUN_WRITER(barrier_in_each_arm, 1, 64), Fault::barrier_divergence, true},
      {"EarlyReturn",
       [](bool b) {
         const Array<float> y(64);
         run_pair(b, early_return<true>, early_return<false>, 1, 64, y.data(), 50u);
       },
       Fault::barrier_divergence, true},
      {"UnevenLoop", RUN_WRITER(uneven_loop, 1, 64), Fault::barrier_divergence, true},
      {"ShuffleWithExited", RUN_WRITER(shuffle_with_exited, 1, 32), Fault::warp_divergence, true},
      {"ShuffleInBranch", RUN_WRITER(shuffle_in_branch, 1, 32), Fault::warp_divergence, true},
      {"CallerNotInMask", RUN_WRITER(caller_not_in_mask, 1, 32), Fault::warp_divergence, true},
      {"SourceNotInMask", RUN_WRITER(source_not_in_mask, 1, 32), Fault::warp_divergence, true},
      {"OverlappingMasks", RUN_WRITER(overlapping_masks, 1, 32), Fault::warp_divergence, true},
      {"DifferentOperations", RUN_WRITER(different_operations, 1, 32), Fault::warp_divergence,
       true},
      {"BarrierAgainstWarp", RUN_WRITER(barrier_against_warp, 1, 32), Fault::deadlock, true},
      {"CopyNotAwaited", RUN_READER(copy_not_awaited), Fault::async_copy, false},
      {"CopyWithoutBarrier", RUN_READER(copy_without_barrier), Fault::race, false},
      {"CopyLeftBehind", RUN_READER(copy_left_behind), Fault::async_copy, true},
      {"CopyOneStageBehind", RUN_READER(copy_one_stage_behind), Fault::async_copy, false},
      {"MisalignedLdmatrix", RUN_WRITER(misaligned_ldmatrix, 1, 32), Fault::misaligned, true},
      {"LdmatrixWithoutSync", RUN_WRITER(ldmatrix_without_sync, 1, 32), Fault::race, false},
      {"Spin", SPINNER(spin), Fault::timeout, true},
      {"SpinInTurns", SPINNER(spin_in_turns), Fault::timeout, true},
      {"Trapped", RUN_WRITER(trapped, 1, 32), Fault::trap, true},
  };
}

}  // namespace simt::test
