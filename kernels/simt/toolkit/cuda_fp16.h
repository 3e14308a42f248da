/// Stand-in for the toolkit's <cuda_fp16.h>: IEEE half precision.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

struct __half_raw {
  unsigned short x;
};

/// Conversion rounds to nearest, ties to even; every NaN becomes 0x7fff.
struct __half {
  unsigned short bits;

  __half() = default;
  __half(__half_raw raw) : bits(raw.x) {}
  __half(float value) : bits(rounded(std::bit_cast<std::uint32_t>(value))) {}
  operator __half_raw() const { return {bits}; }
  operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
    const std::uint32_t exponent = bits >> 10 & 31, mantissa = bits & 1023;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
    const float subnormal = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -subnormal : subnormal;
  }

 private:
  static unsigned short rounded(std::uint32_t b) {
    const std::uint32_t sign = b >> 16 & 0x8000, magnitude = b & 0x7fffffff;
    if (magnitude > 0x7f800000) return 0x7fff;
    if (magnitude >= 0x477ff000) return static_cast<unsigned short>(sign | 0x7c00);
    if (magnitude < 0x38800000) {  // subnormal: a multiple of 2^-24
      const float units = std::ldexp(std::bit_cast<float>(magnitude), 24);
      return static_cast<unsigned short>(sign | static_cast<std::uint32_t>(std::nearbyint(units)));
    }
    const std::uint32_t rebiased = magnitude - 0x38000000;
    return static_cast<unsigned short>(sign | (rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13);
  }
};
using half = __half;

struct alignas(4) __half2 {
  __half x, y;
};
using half2 = __half2;

inline float __half2float(__half value) { return value; }
inline __half __float2half(float value) { return value; }
inline __half __float2half_rn(float value) { return value; }
