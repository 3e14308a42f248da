/// Stand-in for the toolkit's <cuda_bf16.h>: bfloat16, the upper half of a float.
#pragma once

#include <bit>
#include <cstdint>

struct __nv_bfloat16_raw {
  unsigned short x;
};

/// Conversion rounds to nearest, ties to even; every NaN becomes 0x7fff.
struct __nv_bfloat16 {
  unsigned short bits;

  __nv_bfloat16() = default;
  constexpr __nv_bfloat16(__nv_bfloat16_raw raw) : bits(raw.x) {}
  constexpr __nv_bfloat16(float value) : bits(rounded(std::bit_cast<std::uint32_t>(value))) {}
  constexpr operator __nv_bfloat16_raw() const { return {bits}; }
  constexpr operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

 private:
  static constexpr unsigned short rounded(std::uint32_t b) {
    const bool nan = (b & 0x7fffffffu) > 0x7f800000u;
    return static_cast<unsigned short>(nan ? 0x7fffu : (b + 0x7fffu + (b >> 16 & 1)) >> 16);
  }
};
using nv_bfloat16 = __nv_bfloat16;

struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
using nv_bfloat162 = __nv_bfloat162;

inline float __bfloat162float(__nv_bfloat16 value) { return value; }
inline __nv_bfloat16 __float2bfloat16(float value) { return value; }
inline __nv_bfloat16 __float2bfloat16_rn(float value) { return value; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {__nv_bfloat16(x), __nv_bfloat16(y)};
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) { return value.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16_raw{bits}; }
