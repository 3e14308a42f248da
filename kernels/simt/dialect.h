/// CUDA C++ for a plain C++ compiler: the keywords, the built-in variables and the functions that a
/// kernel may use.
#pragma once

#include "kernels/simt/atomics.h"
#include "kernels/simt/device.h"
#include "kernels/simt/device_math.h"
#include "kernels/simt/launch.h"
#include "kernels/simt/toolkit/cuda_bf16.h"
#include "kernels/simt/toolkit/cuda_fp16.h"
#include "kernels/simt/warp.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
// A plain __shared__ array would be one a thread: it has to be SIMT_SHARED.
#define __shared__ use_SIMT_SHARED_instead

#define SIMT_SHARED(Element, name, ...)                                          \
  using name##_simt_type = ::simt::Declared<Element __VA_ARGS__>;                \
  static const char name##_simt_key = 0;                                         \
  name##_simt_type& name = *static_cast<name##_simt_type*>(::simt::shared_array( \
      &name##_simt_key, sizeof(name##_simt_type), alignof(name##_simt_type), #name))
#define SIMT_DYN_SHARED(Element, name) \
  Element* name = static_cast<Element*>(::simt::dynamic_shared_memory())

#if SIMT_CHECKED
#define threadIdx (::simt::thread_index())
#define blockIdx (::simt::block_index())
#define blockDim (::simt::block_extent())
#define gridDim (::simt::grid_extent())
#else
#define threadIdx (::simt::current->thread)
#define blockIdx (::simt::current->block)
#define blockDim (::simt::current->block_extent)
#define gridDim (::simt::current->grid_extent)
#endif
inline constexpr int warpSize = 32;

namespace simt {

/// The type itself: lets a macro name an array type.
template <class T>
using Declared = T;

template <class T>
inline T as_on_device(const T& value) {
  return value;
}
inline float2 as_on_device(const float2& v) { return {as_on_device(v.x), as_on_device(v.y)}; }
inline float4 as_on_device(const float4& v) {
  return {as_on_device(v.x), as_on_device(v.y), as_on_device(v.z), as_on_device(v.w)};
}

template <class T>
inline T ld(const void* p) {
#if SIMT_CHECKED
  T value;
  checked_load(&value, p, sizeof(T), alignof(T));
  return value;
#else
  if (reinterpret_cast<std::uintptr_t>(p) % alignof(T) != 0) misaligned(p, sizeof(T), alignof(T));
  return *static_cast<const T*>(p);
#endif
}

template <class T>
inline void st(void* p, const T& value) {
  const T stored = as_on_device(value);
#if SIMT_CHECKED
  checked_store(p, &stored, sizeof(T), alignof(T));
#else
  if (reinterpret_cast<std::uintptr_t>(p) % alignof(T) != 0) misaligned(p, sizeof(T), alignof(T));
  *static_cast<T*>(p) = stored;
#endif
}

}  // namespace simt

inline void __syncthreads(SIMT_SITE) { simt::barrier(simt::BarrierKind::plain, false, SIMT_HERE); }
inline int __syncthreads_count(int predicate, SIMT_SITE) {
  return simt::barrier(simt::BarrierKind::count, predicate != 0, SIMT_HERE);
}
inline int __syncthreads_and(int predicate, SIMT_SITE) {
  return simt::barrier(simt::BarrierKind::all, predicate != 0, SIMT_HERE);
}
inline int __syncthreads_or(int predicate, SIMT_SITE) {
  return simt::barrier(simt::BarrierKind::any, predicate != 0, SIMT_HERE);
}
// Threads take turns on one CPU thread, so memory is always in order; the checker knows no fences.
inline void __threadfence() {}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap(SIMT_SITE) { simt::trap("__trap()", SIMT_HERE); }
