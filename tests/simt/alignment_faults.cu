#include <cstdint>

#include "kernels/simt/tensor_core.h"
#include "tests/simt/faults.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

/// Floats that nothing aligns to more than a float, and the same aligned to a vector.
struct Plain {
  float v[64];
};
struct alignas(16) Aligned {
  float v[64];
};
template <bool broken>
using Tile = std::conditional_t<broken, Plain, Aligned>;

template <bool broken>
__global__ void shared_struct(float* y) {
  SIMT_SHARED(Tile<broken>, tile);
  if (threadIdx.x < 16) simt::st(tile.v + 4 * threadIdx.x, make_float4(1, 2, 3, 4));
  __syncthreads();
  y[threadIdx.x] = tile.v[threadIdx.x];
}

template <bool broken>
__global__ void shared_floats(float* y) {
  SIMT_SHARED(float, before, [6]);
  SIMT_SHARED(float, tile, [64]);
  if (threadIdx.x < 6) before[threadIdx.x] = 0;
  tile[threadIdx.x] = 1;
  __syncthreads();
  const float* p = tile + 4 * (threadIdx.x % 16);
  y[threadIdx.x] = broken ? simt::ld<float4>(p).x : *p;
}

template <bool broken>
__global__ void shared_halves(float* y) {
  SIMT_SHARED(unsigned short, tile, [128]);
  tile[2 * threadIdx.x] = tile[2 * threadIdx.x + 1] = 1;
  __syncthreads();
  const unsigned short* p = tile + 2 * threadIdx.x;
  y[threadIdx.x] = static_cast<float>(broken ? simt::ld<unsigned>(p) : *p);
}

struct alignas(32) Wide {
  float v[8];
};

template <bool broken>
__global__ void dynamic_as_wide(float* y) {
  SIMT_DYN_SHARED(float, tile);
  if (broken) {
    simt::st(tile, Wide{});
  } else {
    simt::st(tile + 4 * threadIdx.x, make_float4(1, 1, 1, 1));
  }
  y[threadIdx.x] = 1;
}

struct alignas(512) Page {
  float v[128];
};

template <bool broken>
__global__ void allocation_as_page(const float* x, float* y) {
  y[threadIdx.x] = broken ? simt::ld<Page>(x).v[0] : simt::ld<float4>(x).x;
}

template <bool broken>
__global__ void pairs(const float* x, float* y) {
  const float2 pair = simt::ld<float2>(x + 2 * threadIdx.x + (broken ? 1 : 0));
  y[threadIdx.x] = pair.x + pair.y;
}

template <bool broken>
__global__ void four_halves(float* y) {
  auto* halves = reinterpret_cast<__nv_bfloat16*>(y);
  if (threadIdx.x < 16) simt::st(halves + 4 * threadIdx.x + (broken ? 2 : 0), make_uint2(0, 0));
}

template <bool broken>
__global__ void wide_atomic(int* counts) {
  auto* wide = reinterpret_cast<unsigned long long*>(counts + (broken ? 1 : 0));
  atomicAdd(wide, 1ull);
}

/// Vectors of an array of a thread's own, and of a parameter.
template <bool broken>
__global__ void local_vector(float* y, int n) {
  float own[8];
  for (int i = 0; i < 8; ++i) own[i] = static_cast<float>(n + i);
  const float* p = own + n;
  y[threadIdx.x] = broken ? simt::ld<float4>(p).x : *p;
}

template <bool broken>
__global__ void parameter_vector(Plain factors, float* y, int n) {
  const float* p = factors.v + n;
  y[threadIdx.x] = broken ? simt::ld<float4>(p).x : *p;
}

/// One warp copies 128 floats in vectors.
template <int to, int from, class Tile>
__device__ void copy_vectors(const float* x, float* y) {
  SIMT_SHARED(Tile, tile, [3]);
  float* shared = tile[0].v;
  simt::cp_async16(shared + 4 * threadIdx.x + to, x + 4 * threadIdx.x + from);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  __syncthreads();
  y[threadIdx.x] = shared[4 * threadIdx.x + to];
}

template <bool broken>
__global__ void copy_to_plain(const float* x, float* y) {
  copy_vectors<0, 0, Tile<broken>>(x, y);
}
template <bool broken>
__global__ void copy_to_odd(const float* x, float* y) {
  copy_vectors<broken ? 1 : 0, 0, Aligned>(x, y);
}
template <bool broken>
__global__ void copy_from_odd(const float* x, float* y) {
  copy_vectors<0, broken ? 2 : 0, Aligned>(x, y);
}

template <bool broken>
__global__ void copy_words_from_halves(const float* x, float* y) {
  SIMT_SHARED(float, tile, [32]);
  const auto* halves = reinterpret_cast<const __nv_bfloat16*>(x) + 2 * threadIdx.x;
  simt::cp_async4(tile + threadIdx.x, halves + (broken ? 1 : 0));
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}

template <bool broken>
__global__ void ldmatrix_of_plain(float* y) {
  SIMT_SHARED(Tile<broken>, tile, [2]);
  for (unsigned i = threadIdx.x; i < 128; i += 32) tile[0].v[i] = 1;
  __syncwarp();
  std::uint32_t r[4];
  simt::ldmatrix_x4(r, tile[0].v + 4 * threadIdx.x);
  y[threadIdx.x] = __uint_as_float(r[0]);
}

template <bool broken>
__global__ void ldmatrix_of_odd_pitch(float* y) {
  SIMT_SHARED(uint4, memory, [80]);
  auto* tile = reinterpret_cast<__nv_bfloat16*>(memory);
  for (unsigned i = threadIdx.x; i < 640; i += 32) tile[i] = __float2bfloat16(1.0f);
  __syncwarp();
  std::uint32_t r[2];
  simt::ldmatrix_x2_trans(r, tile + threadIdx.x % 16 * (broken ? 20 : 24));
  y[threadIdx.x] = __uint_as_float(r[0] << 16);
}

}  // namespace

std::vector<FaultCase> alignment_faults() {
  const Fault fault = Fault::misaligned;
  return {
      {"SharedStructAsVectors", RUN_WRITER(shared_struct, 1, 64), fault, true},
      {"SharedFloatsAsVectors", RUN_WRITER(shared_floats, 1, 64), fault, true},
      {"SharedHalvesAsWords", RUN_WRITER(shared_halves, 1, 64), fault, true},
      {"DynamicSharedAsWideVectors",
       [](bool b) {
         const Array<float> y(32);
         launch(b ? dynamic_as_wide<true> : dynamic_as_wide<false>, 1, 32, 512, nullptr, y.data());
       },
       fault, true},
      {"AllocationAsPage", RUN_READER(allocation_as_page), fault, true},
      {"MisalignedPair", RUN_READER(pairs), fault, true},
      {"MisalignedFourHalves", RUN_WRITER(four_halves, 1, 64), fault, true},
      {"MisalignedAtomic",
       [](bool b) {
         const Array<int> counts(std::vector<int>(8, 0));
         run_pair(b, wide_atomic<true>, wide_atomic<false>, 1, 32, counts.data());
       },
       fault, false},
      {"LocalArrayAsVector",
       [](bool b) {
         const Array<float> y(32);
         run_pair(b, local_vector<true>, local_vector<false>, 1, 32, y.data(), 4);
       },
       fault, false},
      {"ParameterAsVector",
       [](bool b) {
         const Array<float> y(32);
         run_pair(b, parameter_vector<true>, parameter_vector<false>, 1, 32, Plain{}, y.data(), 4);
       },
       fault, false},
      {"AsyncCopyToPlainTile", RUN_READER(copy_to_plain), fault, true},
      {"AsyncCopyToOddAddress", RUN_READER(copy_to_odd), fault, true},
      {"AsyncCopyFromOddAddress", RUN_READER(copy_from_odd), fault, true},
      {"AsyncCopyOfHalfWords", RUN_READER(copy_words_from_halves), fault, true},
      {"LdmatrixOfPlainTile", RUN_WRITER(ldmatrix_of_plain, 1, 32), fault, true},
      {"LdmatrixOfOddPitch", RUN_WRITER(ldmatrix_of_odd_pitch, 1, 32), fault, true},
  };
}

}  // namespace simt::test
