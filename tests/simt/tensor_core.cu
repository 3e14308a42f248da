#include "kernels/simt/tensor_core.h"

#include "tests/simt/semantics.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

/// A line of a matrix in shared memory, aligned as ldmatrix and vector copies need it.
template <class Elements>
struct alignas(16) Row {
  Elements v;
};

__device__ std::uint32_t pair(float low, float high) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(low)) |
         static_cast<std::uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
}

__device__ void store(const float (&sum)[4], float* c) {
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  for (int i = 0; i < 4; ++i) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}

/// One warp; fragments straight from the PTX ISA's formulas.
__global__ void bf16_fragments(const float* a, const float* b, float* c, int k) {
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  float sum[4] = {};
  for (int first = 0; first < k; first += 16) {
    std::uint32_t fa[4], fb[2];
    for (int i = 0; i < 4; ++i) {
      const float* p = a + (g + i % 2 * 8) * k + first + 2 * t + i / 2 * 8;
      fa[i] = pair(p[0], p[1]);
    }
    for (int i = 0; i < 2; ++i) {
      const float* p = b + (first + 2 * t + i * 8) * 8 + g;
      fb[i] = pair(p[0], p[8]);
    }
    mma_m16n8k16_bf16(sum, fa, fb, sum);
  }
  store(sum, c);
}

/// One warp; both operands by ldmatrix from shared memory, b transposed on the way.
__global__ void bf16_ldmatrix(const float* a, const float* b, float* c, int k) {
  SIMT_SHARED(Row<__nv_bfloat16[24]>, rows_a, [16]);
  SIMT_SHARED(Row<__nv_bfloat16[8]>, rows_b, [16]);
  const auto sa = [&](int i, int j) -> __nv_bfloat16& { return rows_a[i].v[j]; };
  const auto sb = [&](int i, int j) -> __nv_bfloat16& { return rows_b[i].v[j]; };
  const int lane = static_cast<int>(threadIdx.x);
  float sum[4] = {};
  for (int first = 0; first < k; first += 16) {
    for (int i = lane; i < 256; i += 32) sa(i / 16, i % 16) = a[i / 16 * k + first + i % 16];
    for (int i = lane; i < 128; i += 32) sb(i / 8, i % 8) = b[(first + i / 8) * 8 + i % 8];
    __syncwarp();
    std::uint32_t fa[4], fb[2];
    ldmatrix_x4(fa, &sa(lane % 16, lane / 16 * 8));
    ldmatrix_x2_trans(fb, &sb(lane % 16, 0));
    mma_m16n8k16_bf16(sum, fa, fb, sum);
    __syncwarp();
  }
  store(sum, c);
}

__global__ void tf32_fragments(const float* a, const float* b, float* c, int k) {
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  float sum[4] = {};
  for (int first = 0; first < k; first += 8) {
    std::uint32_t fa[4], fb[2];
    for (int i = 0; i < 4; ++i)
      fa[i] = __float_as_uint(a[(g + i % 2 * 8) * k + first + t + i / 2 * 4]);
    for (int i = 0; i < 2; ++i) fb[i] = __float_as_uint(b[(first + t + i * 4) * 8 + g]);
    mma_m16n8k8_tf32(sum, fa, fb, sum);
  }
  store(sum, c);
}

/// One warp; a comes by cp.async and ldmatrix, for which 8 x 4 floats are 8 x 8 half-words.
__global__ void tf32_ldmatrix(const float* a, const float* b, float* c, int k) {
  SIMT_SHARED(Row<float[12]>, sa, [16]);
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  float sum[4] = {};
  for (int first = 0; first < k; first += 8) {
    cp_async16(&sa[lane / 2].v[lane % 2 * 4], a + lane / 2 * k + first + lane % 2 * 4);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    std::uint32_t fa[4], fb[2];
    ldmatrix_x4(fa, &sa[lane % 16].v[lane / 16 * 4]);
    for (int i = 0; i < 2; ++i) fb[i] = __float_as_uint(b[(first + t + i * 4) * 8 + g]);
    mma_m16n8k8_tf32(sum, fa, fb, sum);
    __syncthreads();
  }
  store(sum, c);
}

/// Element (i, j) of matrix m is 1000 m + 10 i + j.
template <bool transposed>
__global__ void ldmatrix_x2_kernel(std::uint32_t* y) {
  SIMT_SHARED(Row<unsigned short[8]>, tile, [2 * 8]);
  const unsigned lane = threadIdx.x;
  for (unsigned i = lane; i < 128; i += 32) {
    tile[i / 8].v[i % 8] = static_cast<unsigned short>(i / 64 * 1000 + i / 8 % 8 * 10 + i % 8);
  }
  __syncwarp();
  std::uint32_t r[2];
  if (transposed) {
    ldmatrix_x2_trans(r, tile[lane % 16].v);
  } else {
    ldmatrix_x2(r, tile[lane % 16].v);
  }
  y[2 * lane] = r[0];
  y[2 * lane + 1] = r[1];
}

template <bool vectors>
__global__ void async_copy_kernel(const float* x, float* y, int n) {
  SIMT_SHARED(Row<float[128]>, row, [1]);
  float* tile = row[0].v;
  constexpr int width = vectors ? 4 : 1;
  for (int i = static_cast<int>(threadIdx.x) * width; i < 128; i += 32 * width) {
    if (vectors) {
      cp_async16(tile + i, x + i, i < n);
    } else {
      cp_async4(tile + i, x + i, i < n);
    }
  }
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 128; i += 32) y[i] = tile[127 - i];
}

}  // namespace

std::vector<float> run_product(Multiply how, int k, const std::vector<float>& a,
                               const std::vector<float>& b) {
  const Array<float> da(a), db(b), c(16 * 8);
  const auto kernel = how == Multiply::bf16_fragments   ? bf16_fragments
                      : how == Multiply::bf16_ldmatrix  ? bf16_ldmatrix
                      : how == Multiply::tf32_fragments ? tf32_fragments
                                                        : tf32_ldmatrix;
  launch(kernel, 1, 32, 0, nullptr, da.data(), db.data(), c.data(), k);
  return c.values();
}

std::vector<std::uint32_t> run_ldmatrix_x2(bool transposed) {
  const Array<std::uint32_t> y(64);
  launch(transposed ? ldmatrix_x2_kernel<true> : ldmatrix_x2_kernel<false>, 1, 32, 0, nullptr,
         y.data());
  return y.values();
}

std::vector<float> run_async_copy(bool vectors, int n) {
  const Array<float> x(ramp(static_cast<std::size_t>(n))), y(128);
  launch(vectors ? async_copy_kernel<true> : async_copy_kernel<false>, 1, 32, 0, nullptr, x.data(),
         y.data(), n);
  return y.values();
}

}  // namespace simt::test
