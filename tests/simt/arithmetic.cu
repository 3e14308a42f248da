#include "kernels/simt/tensor_core.h"
#include "tests/simt/semantics.h"
#include "tests/simt/support.cuh"

namespace simt::test {
namespace {

/// x is infinity, the least normal number, 3e9 and 2^127.
__global__ void arithmetic_kernel(const float* x, std::uint32_t* bits, float4* stored, int* ints) {
  const std::uint32_t a[4] = {}, b[2] = {};
  float sum[4] = {x[0] - x[0], 0, 0, 0};
  mma_m16n8k16_bf16(sum, a, b, sum);
  if (threadIdx.x > 0) return;
  const float nan = x[0] - x[0];
  bits[0] = __float_as_uint(nan);
  bits[1] = static_cast<std::uint32_t>(__float_as_int(nan));
  bits[2] = static_cast<std::uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(nan)));
  bits[3] = __float_as_uint(x[1] * 0.5f);
  bits[4] = __float_as_uint(__fdividef(1.0f, x[3]));
  simt::st(stored, make_float4(nan, x[1], -x[0], nan));
  simt::st(stored + 1, make_float4(sum[0], sum[1], 0, 0));
  ints[0] = __float2int_rn(nan);
  ints[1] = __float2int_rz(x[2]);
  ints[2] = __float2int_rd(-x[2]);
  ints[3] = __float2int_ru(1.25f);
}

}  // namespace

ArithmeticResults run_arithmetic() {
  const Array<float> x(std::vector<float>{INFINITY, 0x1p-126f, 3e9f, 0x1p127f});
  const Array<std::uint32_t> bits(5);
  const Array<float4> stored(2);
  const Array<int> ints(4);
  launch(arithmetic_kernel, 1, 32, 0, nullptr, x.data(), bits.data(), stored.data(), ints.data());
  ArithmeticResults r{bits.values(), std::vector<std::uint32_t>(8), ints.values()};
  cudaMemcpy(r.stored.data(), stored.data(), 32, cudaMemcpyDeviceToHost);
  return r;
}

}  // namespace simt::test
