#include <cstdint>

#include "kernels/simt/tensor_core.h"
#include "tests/simt/faults.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

/// mma and ldmatrix are .aligned: all lanes of a warp execute the same one.
__device__ float multiply() {
  const std::uint32_t a[4] = {}, b[2] = {};
  float sum[4] = {};
  simt::mma_m16n8k16_bf16(sum, a, b, sum);
  return sum[0];
}

template <bool broken>
__global__ void mma_by_half_a_warp(float* y) {
  float sum = 0;
  if (!broken || threadIdx.x < 16) sum = multiply();
  __syncwarp();
  y[threadIdx.x] = sum;
}

template <bool broken>
__global__ void mma_after_exit(float* y) {
  if (broken && threadIdx.x == 31) return;
  y[threadIdx.x] = multiply();
}

template <bool broken>
__global__ void mma_in_each_arm(float* y) {
  const std::uint32_t a[4] = {}, b[2] = {};
  float sum[4] = {};
  if (broken && threadIdx.x % 2 == 0) {
    simt::mma_m16n8k16_bf16(sum, a, b, sum);
  } else {
    simt::mma_m16n8k16_bf16(sum, a, b, sum);
  }
  y[threadIdx.x] = sum[0];
}

/// Without lanes 16 to 31, where `threads` are 16.
__global__ void mma_of_block(float* y) { y[threadIdx.x] = multiply(); }

template <bool broken>
__global__ void two_kinds_of_mma(float* y) {
  const std::uint32_t a[4] = {}, b[2] = {};
  float sum[4] = {};
  if (broken && threadIdx.x < 8) {
    simt::mma_m16n8k8_tf32(sum, a, b, sum);
  } else {
    simt::mma_m16n8k16_bf16(sum, a, b, sum);
  }
  y[threadIdx.x] = sum[0];
}

template <bool broken>
__global__ void ldmatrix_by_rows_alone(float* y) {
  SIMT_SHARED(uint4, tile, [16]);
  if (threadIdx.x < 16) tile[threadIdx.x] = make_uint4(0, 0, 0, 0);
  __syncwarp();
  std::uint32_t r[2] = {};
  // Lanes 16 to 31 name no row, but take part.
  if (!broken || threadIdx.x < 16) simt::ldmatrix_x2(r, tile + threadIdx.x % 16);
  __syncwarp();
  y[threadIdx.x] = __uint_as_float(r[0]);
}

template <bool broken>
__global__ void ldmatrix_of_global(const float* x, float* y) {
  SIMT_SHARED(uint4, tile, [32]);
  tile[threadIdx.x] = make_uint4(0, 0, 0, 0);
  __syncwarp();
  std::uint32_t r[4];
  const void* row = broken ? static_cast<const void*>(x + 4 * threadIdx.x) : tile + threadIdx.x;
  simt::ldmatrix_x4(r, row);
  y[threadIdx.x] = __uint_as_float(r[0]);
}

template <bool broken>
__global__ void ldmatrix_past_end(float* y) {
  SIMT_SHARED(uint4, tile, [32]);
  tile[threadIdx.x] = make_uint4(0, 0, 0, 0);
  __syncwarp();
  std::uint32_t r[4];
  simt::ldmatrix_x4(r, tile + threadIdx.x + (broken ? 1 : 0));
  y[threadIdx.x] = __uint_as_float(r[0]);
}

template <bool broken>
__global__ void width_of_no_power(float* y) {
  y[threadIdx.x] = __shfl_down_sync(~0u, 1.0f, 1, broken ? 24 : 16);
}

template <bool broken>
__global__ void empty_mask(float* y) {
  __syncwarp(broken ? 0u : ~0u);
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void masks_differ(float* y) {
  const unsigned mask = broken && threadIdx.x == 4 ? 0x7fffffffu : ~0u;
  y[threadIdx.x] = static_cast<float>(__ballot_sync(mask, 1) & 1);
}

template <bool broken>
__global__ void mask_of_full_warp(float* y) {
  // The last warp of 40 threads has 8 lanes.
  const unsigned mask = !broken && threadIdx.x >= 32 ? 0xffu : ~0u;
  y[threadIdx.x] = __shfl_xor_sync(mask, 1.0f, 1);
}

template <bool broken>
__global__ void vote_in_uneven_loop(float* y) {
  const unsigned times = broken ? threadIdx.x / 16 + 1 : 2;
  unsigned votes = 0;
  for (unsigned i = 0; i < times; ++i) votes += __ballot_sync(~0u, 1) & 1;
  y[threadIdx.x] = static_cast<float>(votes);
}

template <bool broken>
__global__ void reduce_in_branch(float* y) {
  int sum = 0;
  if (!broken || threadIdx.x != 9) sum = __reduce_add_sync(~0u, 1);
  __syncwarp();
  y[threadIdx.x] = static_cast<float>(sum);
}

template <bool broken>
__global__ void match_with_exited(float* y) {
  if (broken && threadIdx.x < 2) return;
  y[threadIdx.x] = static_cast<float>(__match_any_sync(~0u, 1) & 1);
}

/// A warp's lanes go on in no order between its synchronisations.
template <bool broken>
__global__ void sum_in_lockstep(float* y) {
  SIMT_SHARED(float, partial, [64]);
  partial[threadIdx.x] = partial[threadIdx.x + 32] = 1;
  __syncwarp();
  for (unsigned half = 16; half > 0; half /= 2) {
    const float other = partial[threadIdx.x + half];
    if (!broken) __syncwarp();
    partial[threadIdx.x] += other;
    if (!broken) __syncwarp();
  }
  y[threadIdx.x] = partial[0];
}

template <bool broken>
__global__ void warp_sync_for_a_block(float* y) {
  SIMT_SHARED(float, tile, [64]);
  tile[threadIdx.x] = 1;
  if (broken) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

template <bool broken>
__global__ void sync_of_half_a_warp(float* y) {
  SIMT_SHARED(float, tile, [32]);
  tile[threadIdx.x] = 1;
  __syncwarp(broken ? (threadIdx.x < 16 ? 0xffffu : 0xffff0000u) : ~0u);
  y[threadIdx.x] = tile[31 - threadIdx.x];
}

/// A shuffle exchanges registers, and orders no memory.
template <bool broken>
__global__ void shuffle_as_sync(float* y) {
  SIMT_SHARED(float, tile, [32]);
  tile[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);
  const float other = __shfl_xor_sync(~0u, 2.0f, 1);
  if (!broken) __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 1] + other;
}

template <bool broken>
__global__ void two_kinds_of_barrier(float* y) {
  int all = 1;
  if (broken && threadIdx.x < 32) {
    __syncthreads();
  } else {
    all = __syncthreads_and(1);
  }
  y[threadIdx.x] = static_cast<float>(all);
}

/// At a capability that has no mma of bfloat16 and no redux.sync.
template <auto kernel>
void run_at_capability(bool broken) {
  settings().capability = broken ? 75 : 80;
  const Array<float> y(32);
  launch(kernel, 1, 32, 0, nullptr, y.data());
  settings().capability = 80;
}

}  // namespace

std::vector<FaultCase> warp_faults() {
  const Fault fault = Fault::warp_divergence;
  return {
      {"MmaByHalfAWarp", RUN_WRITER(mma_by_half_a_warp, 1, 32), fault, true},
      {"MmaAfterExit", RUN_WRITER(mma_after_exit, 1, 32), fault, true},
      {"MmaInEachArm", RUN_WRITER(mma_in_each_arm, 1, 32), fault, true},
      {"MmaOfHalfABlock",
       [](bool b) {
         const Array<float> y(32);
         launch(mma_of_block, 1, b ? 16 : 32, 0, nullptr, y.data());
       },
       fault, true},
      {"TwoKindsOfMma", RUN_WRITER(two_kinds_of_mma, 1, 32), fault, true},
      {"LdmatrixByRowsAlone", RUN_WRITER(ldmatrix_by_rows_alone, 1, 32), fault, true},
      {"LdmatrixOfGlobal", RUN_READER(ldmatrix_of_global), Fault::invalid_address, true},
      {"LdmatrixPastEnd", RUN_WRITER(ldmatrix_past_end, 1, 32), Fault::out_of_bounds, false},
      {"WidthOfNoPower", RUN_WRITER(width_of_no_power, 1, 32), Fault::undefined_behaviour, true},
      {"EmptyMask", RUN_WRITER(empty_mask, 1, 32), fault, true},
      {"MasksDiffer", RUN_WRITER(masks_differ, 1, 32), fault, true},
      {"MaskOfFullWarp", RUN_WRITER(mask_of_full_warp, 1, 40), fault, true},
      {"VoteInUnevenLoop", RUN_WRITER(vote_in_uneven_loop, 1, 32), fault, true},
      {"ReduceInBranch", RUN_WRITER(reduce_in_branch, 1, 32), fault, true},
      {"MatchWithExited", RUN_WRITER(match_with_exited, 1, 32), fault, true},
      {"SumInLockstep", RUN_WRITER(sum_in_lockstep, 1, 32), Fault::race, false},
      {"WarpSyncForABlock", RUN_WRITER(warp_sync_for_a_block, 1, 64), Fault::race, false},
      {"SyncOfHalfAWarp", RUN_WRITER(sync_of_half_a_warp, 1, 32), Fault::race, false},
      {"ShuffleAsSync", RUN_WRITER(shuffle_as_sync, 1, 32), Fault::race, false},
      {"TwoKindsOfBarrier", RUN_WRITER(two_kinds_of_barrier, 1, 64), Fault::barrier_divergence,
       true},
      {"MmaAtCapability75", run_at_capability<mma_of_block>, Fault::trap, true},
      {"ReduceAtCapability75", run_at_capability<reduce_in_branch<false>>, Fault::trap, true},
  };
}

}  // namespace simt::test
