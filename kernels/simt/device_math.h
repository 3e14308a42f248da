/// The dialect's arithmetic, conversions, bit operations and cached loads. CUDA's approximate
/// functions (__expf and the like) are the exact ones here, so results on a GPU differ within the
/// bounds of the CUDA programming guide. Subnormal numbers are kept, as by nvcc without -ftz.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace simt {

/// A NaN's bits, where they are seen: a GPU's arithmetic makes 0x7fffffff of every NaN (PTX ISA,
/// "Floating-Point Instructions"), the CPU's 0xffc00000 of those that it makes anew.
inline std::uint32_t bits_on_device(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return bits == 0xffc00000u ? 0x7fffffffu : bits;
}
inline float as_on_device(float x) { return std::bit_cast<float>(bits_on_device(x)); }

/// Conversions saturate, and 0 stands for NaN.
inline int to_int(float x) {
  if (std::isnan(x)) return 0;
  if (x >= 0x1p31f) return 0x7fffffff;
  return x <= -0x1p31f ? -0x7fffffff - 1 : static_cast<int>(x);
}

}  // namespace simt

inline float __expf(float x) { return std::exp(x); }
inline float __exp10f(float x) { return std::pow(10.0f, x); }
inline float __logf(float x) { return std::log(x); }
inline float __log2f(float x) { return std::log2(x); }
inline float __powf(float x, float y) { return std::pow(x, y); }
inline float __sinf(float x) { return std::sin(x); }
inline float __cosf(float x) { return std::cos(x); }
/// 0 for a divisor above 2^126.
inline float __fdividef(float x, float y) {
  return std::isfinite(y) && std::fabs(y) > 0x1p126f ? x * 0.0f : x / y;
}
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __frsqrt_rn(float x) { return 1.0f / std::sqrt(x); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
/// 0 for NaN.
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }

inline int __float2int_rn(float x) { return simt::to_int(std::nearbyint(x)); }
inline int __float2int_rd(float x) { return simt::to_int(std::floor(x)); }
inline int __float2int_ru(float x) { return simt::to_int(std::ceil(x)); }
inline int __float2int_rz(float x) { return simt::to_int(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline int __float_as_int(float x) { return static_cast<int>(simt::bits_on_device(x)); }
inline unsigned __float_as_uint(float x) { return simt::bits_on_device(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= (x >> i & 1) << (31 - i);
  return reversed;
}
inline unsigned __umulhi(unsigned x, unsigned y) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(x) * y >> 32);
}

inline float min(float x, float y) { return std::fmin(x, y); }
inline float max(float x, float y) { return std::fmax(x, y); }
inline double min(double x, double y) { return std::fmin(x, y); }
inline double max(double x, double y) { return std::fmax(x, y); }
/// Of integers, with the usual conversions as in CUDA.
template <class A, class B>
requires(std::is_integral_v<A>&& std::is_integral_v<B>) constexpr std::common_type_t<A, B> min(
    A x, B y) {
  using C = std::common_type_t<A, B>;
  return static_cast<C>(y) < static_cast<C>(x) ? static_cast<C>(y) : static_cast<C>(x);
}
template <class A, class B>
requires(std::is_integral_v<A>&& std::is_integral_v<B>) constexpr std::common_type_t<A, B> max(
    A x, B y) {
  using C = std::common_type_t<A, B>;
  return static_cast<C>(x) < static_cast<C>(y) ? static_cast<C>(y) : static_cast<C>(x);
}

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> value) {
  *p = value;
}
template <class T>
void __stcg(T* p, std::type_identity_t<T> value) {
  *p = value;
}
