/// Tensor cores and asynchronous copies: inline PTX for compute capability 8.0 and later, and its
/// emulated twins. Kernels use no other assembly. Fragments lie in registers as in the figures of
/// the PTX ISA, sections "Matrix Fragments for mma.m16n8k16" and "... mma.m16n8k8".
#pragma once

#include "kernels/simt/simt.h"

namespace simt {

#if defined(SIMT_EMULATED)

/// d = a b + c: a 16x16, b 16x8 of bfloat16, c and d 16x8 of float. All lanes of the warp take part.
inline void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4],
                              const std::uint32_t (&b)[2], const float (&c)[4], SIMT_SITE) {
  mma_bf16(d, a, b, c, SIMT_HERE);
}

/// d = a b + c: a 16x8, b 8x8 of TF32, the low 13 bits of whose floats are ignored.
inline void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                             const std::uint32_t (&b)[2], const float (&c)[4], SIMT_SITE) {
  mma_tf32(d, a, b, c, SIMT_HERE);
}

/// Loads four (two) 8x8 matrices of 16-bit elements from shared memory. Lane 8 i + j holds the
/// address of row j of matrix i, a multiple of 16; the lanes that name no row hold any address.
inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* row, SIMT_SITE) {
  ldmatrix(r, 4, false, row, SIMT_HERE);
}
inline void ldmatrix_x2(std::uint32_t (&r)[2], const void* row, SIMT_SITE) {
  ldmatrix(r, 2, false, row, SIMT_HERE);
}
inline void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row, SIMT_SITE) {
  ldmatrix(r, 4, true, row, SIMT_HERE);
}
inline void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* row, SIMT_SITE) {
  ldmatrix(r, 2, true, row, SIMT_HERE);
}

/// Copies 16 (4) bytes from global to shared memory in the background; without `copies` it writes
/// zeros and doesn't read.
inline void cp_async16(void* shared, const void* global, bool copies = true, SIMT_SITE) {
  async_copy(shared, global, 16, copies, SIMT_HERE);
}
inline void cp_async4(void* shared, const void* global, bool copies = true, SIMT_SITE) {
  async_copy(shared, global, 4, copies, SIMT_HERE);
}
/// Ends a group of the calling thread's copies.
inline void cp_async_commit() { async_commit(); }
/// Waits until at most `groups` of the calling thread's groups are not done. Other threads see the
/// copies only after a barrier.
template <int groups>
inline void cp_async_wait() {
  async_wait(groups);
}

#elif defined(__CUDACC__)

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define SIMT_SM80 1
#else
#define SIMT_SM80 0
#endif

__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2],
                                                  const float (&c)[4]) {
#if SIMT_SM80
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]),
        "f"(c[2]), "f"(c[3]));
#else
  __trap();
#endif
}

__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                                 const std::uint32_t (&b)[2], const float (&c)[4]) {
#if SIMT_SM80
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]),
        "f"(c[2]), "f"(c[3]));
#else
  __trap();
#endif
}

/// The 32-bit address of shared memory that PTX instructions take.
__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ __forceinline__ void ldmatrix_x2(std::uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}

__device__ __forceinline__ void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ __forceinline__ void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}

__device__ __forceinline__ void cp_async16(void* shared, const void* global, bool copies = true) {
#if SIMT_SM80
  // .ca, not the usual .cg: the L1 cache keeps what overlapping tiles and windows read again.
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(copies ? 16 : 0)
               : "memory");
#else
  *static_cast<uint4*>(shared) =
      copies ? *static_cast<const uint4*>(global) : make_uint4(0, 0, 0, 0);
#endif
}

__device__ __forceinline__ void cp_async4(void* shared, const void* global, bool copies = true) {
#if SIMT_SM80
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(copies ? 4 : 0)
               : "memory");
#else
  *static_cast<unsigned*>(shared) = copies ? *static_cast<const unsigned*>(global) : 0u;
#endif
}

__device__ __forceinline__ void cp_async_commit() {
#if SIMT_SM80
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

template <int groups>
__device__ __forceinline__ void cp_async_wait() {
#if SIMT_SM80
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
#endif
}

#endif

}  // namespace simt
