/// Vector accesses: what one thread moves at a time.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "kernels/runtime/error_types.h"
#include "kernels/simt/simt.h"

namespace trifold::kernels::cuda {

/// 1 float, or 4 that move in one access of 16 bytes.
template <int V>
struct Floats {
  static_assert(V == 1 || V == 4);
  float v[V];
};

template <int V>
__device__ __forceinline__ Floats<V> load(const float* p) {
  if constexpr (V == 4) {
    const float4 f = simt::ld<float4>(p);
    return {{f.x, f.y, f.z, f.w}};
  } else {
    return {{*p}};
  }
}

template <int V>
__device__ __forceinline__ void store(float* p, const Floats<V>& f) {
  if constexpr (V == 4) {
    simt::st(p, make_float4(f.v[0], f.v[1], f.v[2], f.v[3]));
  } else {
    *p = f.v[0];
  }
}

/// Of elements i to i + V of an array of vectors. Their index shows the compiler an alignment that
/// it may lose sight of in an address, and then splits the access.
template <int V>
__device__ __forceinline__ void store_at(float* array, std::int64_t i, const Floats<V>& f) {
  if constexpr (V == 4) {
    simt::st(reinterpret_cast<float4*>(array) + i / 4, make_float4(f.v[0], f.v[1], f.v[2], f.v[3]));
  } else {
    array[i] = f.v[0];
  }
}

template <int V>
__device__ __forceinline__ Floats<V> splat(float value) {
  Floats<V> f;
  for (int v = 0; v < V; ++v) f.v[v] = value;
  return f;
}

/// sum += factor value, fused by name, so that both widths find the same bits.
template <int V>
__device__ __forceinline__ void add_product(Floats<V>& sum, float factor, const Floats<V>& value) {
  for (int v = 0; v < V; ++v) sum.v[v] = fmaf(factor, value.v[v], sum.v[v]);
}

/// sum += value.
template <int V>
__device__ __forceinline__ void add_to(Floats<V>& sum, const Floats<V>& value) {
  for (int v = 0; v < V; ++v) sum.v[v] += value.v[v];
}

/// Two floats rounded to nearest even, the first in the low half.
inline __device__ std::uint32_t bf16_pair(float low, float high) {
  const auto bits = [](float v) {
    return static_cast<std::uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(v)));
  };
  return bits(low) | bits(high) << 16;
}

/// Whether every pointer may be accessed 16 bytes at a time; null counts as such.
inline bool aligned(std::initializer_list<const void*> pointers) {
  for (const void* p : pointers) {
    if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0) return false;
  }
  return true;
}

/// ceil(a / b) of positive numbers.
constexpr std::int64_t div_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// An extent that the kernels hold in 32 bits; arrays as a whole may be larger.
inline int to_int(std::int64_t extent) {
  if (extent > 0x7fffffff) {
    throw ShapeError("the GPU kernels take rows of an image, and blocks of a grid, below 2^31");
  }
  return static_cast<int>(extent);
}

/// Blocks in a row, one dimension of a grid. Errors: ShapeError above 2^31 - 1.
inline dim3 blocks_in_row(std::int64_t count) { return dim3(static_cast<unsigned>(to_int(count))); }

}  // namespace trifold::kernels::cuda
