#include <cmath>

#include "tests/simt/faults.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

template <bool broken>
__global__ void read_past_end(const float* x, float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n || (broken && i == n)) y[i % n] = x[i];
}

template <bool broken>
__global__ void write_past_end(float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n || (broken && i == n)) y[i] = 1;
}

template <bool broken>
__global__ void write_before_start(float* y) {
  y[static_cast<int>(threadIdx.x) - (broken && threadIdx.x == 0 ? 2 : 0)] = 1;
}

template <bool broken>
__global__ void write_far_away(float* y) {
  y[broken ? 100'000 : 0] = 1;
}

template <bool broken>
__global__ void write_past_shared(float* y) {
  SIMT_SHARED(float, tile, [64]);
  float* p = tile;
  p[threadIdx.x + (broken && threadIdx.x == 63 ? 1 : 0)] = 1;
  __syncthreads();
  y[threadIdx.x] = broken ? 1 : tile[threadIdx.x];
}

template <bool broken>
__global__ void write_past_dynamic_shared(float* y, int n) {
  SIMT_DYN_SHARED(float, tile);
  tile[threadIdx.x + (broken && threadIdx.x == 63 ? 1 : 0)] = 1;
  __syncthreads();
  y[threadIdx.x] = static_cast<float>(n);
}

template <bool broken>
__global__ void leave_inner_dimension(float* y, int column) {
  SIMT_SHARED(float, tile, [8][8]);
  tile[threadIdx.x / 8][threadIdx.x % 8] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x / 16][broken ? column + 1 : column];
}

template <bool broken>
__global__ void copy(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x];
}

template <bool broken>
__global__ void misaligned_vector(const float* x, float* y) {
  const float4 v = simt::ld<float4>(x + 4 * threadIdx.x + (broken ? 1 : 0));
  y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

template <bool broken>
__global__ void misaligned_vector_store(float* y) {
  simt::st(y + 4 * threadIdx.x + (broken ? 2 : 0), make_float4(1, 2, 3, 4));
}

template <bool broken>
__global__ void misaligned_plain_vector(const float* x, float* y) {
  const float4* p = reinterpret_cast<const float4*>(x + (broken ? 1 : 0));
  y[threadIdx.x] = p[threadIdx.x].x;
}

template <bool broken>
__global__ void shared_not_written(float* y) {
  SIMT_SHARED(float, tile, [64]);
  if (!broken || threadIdx.x != 5) tile[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

/// The second block finds what the first has left, where both run on one multiprocessor.
template <bool broken>
__global__ void shared_of_block_before(float* y) {
  SIMT_SHARED(float, tile, [32]);
  if (!broken || blockIdx.x == 0) tile[threadIdx.x] = 1;
  __syncthreads();
  y[blockIdx.x * 32 + threadIdx.x] = tile[threadIdx.x];
}

template <bool broken>
__global__ void dynamic_not_written(float* y, unsigned n) {
  SIMT_DYN_SHARED(float, tile);
  if (threadIdx.x < n) tile[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

template <bool broken>
__global__ void read_past_shared(float* y) {
  SIMT_SHARED(float, tile, [32]);
  tile[threadIdx.x] = 1;
  __syncthreads();
  const float* p = tile;
  y[threadIdx.x] = p[threadIdx.x + (broken ? 1 : 0)] + (threadIdx.x == 31 ? 0 : p[threadIdx.x + 1]);
}

template <bool broken>
__global__ void atomic_past_end(int* counts, int n) {
  atomicAdd(counts + (broken ? n : n - 1), 1);
}

template <bool broken>
__global__ void write_all(float* y) {
  y[threadIdx.x] = 1;
}

template <bool broken>
__global__ void cast(int* y, float value) {
  y[threadIdx.x] = static_cast<int>(broken ? value * 0x1p31f : value);
}

template <bool broken>
__global__ void shift_too_far(int* y, int by) {
  y[threadIdx.x] = 1 << (broken ? by + 32 : by);
}

template <bool broken>
__global__ void divide_by_zero(int* y, int divisor) {
  y[threadIdx.x] = 100 / (broken ? divisor - 1 : divisor);
}

void run_copy(bool broken, const float* x) {
  const Array<float> y(64);
  run_pair(broken, copy<true>, copy<false>, 1, 64, x, y.data());
}

}  // namespace

std::vector<FaultCase> memory_faults() {
  return {
      {"ReadPastEnd",
       [](bool b) {
         const Array<float> x(ramp(1000)), y(1000);
         run_pair(b, read_past_end<true>, read_past_end<false>, 4, 256, x.data(), y.data(), 1000);
       },
       Fault::out_of_bounds, false},
      {"WritePastEnd",
       [](bool b) {
         const Array<float> y(1000);
         run_pair(b, write_past_end<true>, write_past_end<false>, 4, 256, y.data(), 1000);
       },
       Fault::out_of_bounds, true},
      {"WriteBeforeStart",
       [](bool b) {
         const Array<float> y(64);
         run_pair(b, write_before_start<true>, write_before_start<false>, 1, 64, y.data());
       },
       Fault::out_of_bounds, true},
      {"WriteFarAway",
       [](bool b) {
         const Array<float> y(64);
         run_pair(b, write_far_away<true>, write_far_away<false>, 1, 1, y.data());
       },
       Fault::out_of_bounds, false},
      {"WritePastShared",
       [](bool b) {
         const Array<float> y(64);
         run_pair(b, write_past_shared<true>, write_past_shared<false>, 1, 64, y.data());
       },
       Fault::out_of_bounds, true},
      {"WritePastDynamicShared",
       [](bool b) {
         const Array<float> y(64);
         launch(b ? write_past_dynamic_shared<true> : write_past_dynamic_shared<false>, 1, 64, 256,
                nullptr, y.data(), 1);
       },
       Fault::out_of_bounds, true},
      {"LeaveInnerDimension",
       [](bool b) {
         const Array<float> y(64);
         run_pair(b, leave_inner_dimension<true>, leave_inner_dimension<false>, 1, 64, y.data(), 7);
       },
       Fault::undefined_behaviour, false},
      {"UseAfterFree",
       [](bool b) {
         Array<float> x(ramp(64));
         float* freed = nullptr;
         cudaMalloc(&freed, 256);
         cudaMemset(freed, 0, 256);
         cudaFree(freed);
         run_copy(b, b ? freed : x.data());
       },
       Fault::use_after_free, false},
      {"HostPointer",
       [](bool b) {
         const std::vector<float> host = ramp(64);
         const Array<float> x(host);
         run_copy(b, b ? host.data() : x.data());
       },
       Fault::invalid_address, false},
      {"NullPointer",
       [](bool b) {
         const Array<float> x(ramp(64));
         run_copy(b, b ? nullptr : x.data());
       },
       Fault::invalid_address, true},
      {"MisalignedVector",
       [](bool b) {
         const Array<float> x(ramp(256)), y(32);
         run_pair(b, misaligned_vector<true>, misaligned_vector<false>, 1, 32, x.data(), y.data());
       },
       Fault::misaligned, true},
      {"MisalignedVectorStore",
       [](bool b) {
         const Array<float> y(256);
         run_pair(b, misaligned_vector_store<true>, misaligned_vector_store<false>, 1, 32,
                  y.data());
       },
       Fault::misaligned, true},
      {"MisalignedPlainVector",
       [](bool b) {
         const Array<float> x(ramp(256)), y(32);
         run_pair(b, misaligned_plain_vector<true>, misaligned_plain_vector<false>, 1, 32, x.data(),
                  y.data());
       },
       Fault::misaligned, false},
      {"GlobalNotWritten",
       [](bool b) {
         const Array<float> x(ramp(64)), nothing(64);
         run_copy(b, b ? nothing.data() : x.data());
       },
       Fault::uninitialised, false},
      {"SharedNotWritten",
       [](bool b) {
         const Array<float> y(64);
         run_pair(b, shared_not_written<true>, shared_not_written<false>, 1, 64, y.data());
       },
       Fault::uninitialised, false},
      {"CopyOfNothingToHost",
       [](bool b) {
         const Array<float> x(64), y(ramp(64));
         static_cast<void>(b ? x.values() : y.values());
       },
       Fault::uninitialised, false},
      {"SharedOfBlockBefore",
       [](bool b) {
         const Array<float> y(64);
         run_pair(b, shared_of_block_before<true>, shared_of_block_before<false>, 2, 32, y.data());
       },
       Fault::uninitialised, false},
      {"DynamicSharedNotWritten",
       [](bool b) {
         const Array<float> y(32);
         launch(dynamic_not_written<true>, 1, 32, 128, nullptr, y.data(), b ? 31u : 32u);
       },
       Fault::uninitialised, false},
      {"CopyOfNothingOnDevice",
       [](bool b) {
         const Array<float> x(ramp(64)), nothing(64), y(64);
         cudaMemcpy(y.data(), (b ? nothing : x).data(), 256, cudaMemcpyDeviceToDevice);
         run_copy(b, y.data());
       },
       Fault::uninitialised, false},
      {"ReadPastShared",
       [](bool b) {
         const Array<float> y(32);
         run_pair(b, read_past_shared<true>, read_past_shared<false>, 1, 32, y.data());
       },
       Fault::out_of_bounds, false},
      {"AtomicPastEnd",
       [](bool b) {
         const Array<int> counts(std::vector<int>(8, 0));
         run_pair(b, atomic_past_end<true>, atomic_past_end<false>, 1, 32, counts.data(), 8);
       },
       Fault::out_of_bounds, true},
      {"WriteAfterFree",
       [](bool b) {
         const Array<float> y(64);
         float* freed = nullptr;
         cudaMalloc(&freed, 256);
         cudaFree(freed);
         run_pair(b, write_all<true>, write_all<false>, 1, 64, b ? freed : y.data());
       },
       Fault::use_after_free, false},
      {"CastTooLarge",
       [](bool b) {
         const Array<int> y(32);
         run_pair(b, cast<true>, cast<false>, 1, 32, y.data(), 3.0f);
       },
       Fault::undefined_behaviour, false},
      {"CastOfNaN",
       [](bool b) {
         const Array<int> y(32);
         run_pair(b, cast<true>, cast<false>, 1, 32, y.data(), b ? std::nanf("") : 3.0f);
       },
       Fault::undefined_behaviour, false},
      {"ShiftTooFar",
       [](bool b) {
         const Array<int> y(64);
         run_pair(b, shift_too_far<true>, shift_too_far<false>, 1, 64, y.data(), 3);
       },
       Fault::undefined_behaviour, false},
      {"DivideByZero",
       [](bool b) {
         const Array<int> y(64);
         run_pair(b, divide_by_zero<true>, divide_by_zero<false>, 1, 64, y.data(), 1);
       },
       Fault::undefined_behaviour, true},
  };
}

}  // namespace simt::test
