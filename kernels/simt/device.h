/// What the emulated dialect asks of the emulator: the calls behind barriers, warp operations,
/// asynchronous copies and shared memory. Kernels use the dialect, not these.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/simt/toolkit/cuda_runtime.h"

// The memory checker is on for a source that is compiled with the compiler's call-outs.
#if defined(__SANITIZE_THREAD__)
#define SIMT_CHECKED 1
#else
#define SIMT_CHECKED 0
#endif

namespace simt {

/// A place in a kernel's source, taken by default arguments of the calls that synchronise.
struct Site {
  const char* file = "";
  int line = 0;
};
#define SIMT_SITE const char *site_file = __builtin_FILE(), int site_line = __builtin_LINE()
#define SIMT_HERE (::simt::Site{site_file, site_line})

/// What a CUDA thread can know about itself.
struct ThreadIndex {
  uint3 thread{}, block{};
  dim3 block_extent, grid_extent;
  unsigned linear = 0, warp = 0, lane = 0;
};

/// The CUDA thread that runs on this thread of the CPU; null in host code.
extern constinit thread_local ThreadIndex* current;

// Out of line, so that the checker doesn't see them, and constant for a CUDA thread.
__attribute__((const)) uint3 thread_index();
__attribute__((const)) uint3 block_index();
__attribute__((const)) dim3 block_extent();
__attribute__((const)) dim3 grid_extent();
__attribute__((const)) unsigned lane_index();

enum class BarrierKind { plain, count, all, any };
enum class WarpOperation { sync, shuffle, vote, match, reduce, mma_bf16, mma_tf32, ldmatrix };

int barrier(BarrierKind kind, bool predicate, Site site);
void warp_sync(unsigned mask, Site site);
/// Replaces `value` by the one of lane `source`.
void warp_shuffle(unsigned mask, unsigned source, void* value, std::size_t bytes, Site site);
unsigned warp_vote(unsigned mask, bool predicate, Site site);
unsigned warp_match(unsigned mask, std::uint64_t value, Site site);
/// values[lane] of every lane in the mask.
void warp_gather(WarpOperation operation, unsigned mask, const void* value, std::size_t bytes,
                 void* values, Site site);
unsigned live_lanes();
/// Reports a shuffle in segments of so many lanes.
[[noreturn]] void refuse_width(int width, Site site);
[[noreturn]] void trap(const char* what, Site site);
/// Traps, as code for a device without the instruction does.
void require_capability(int least, const char* instruction, Site site);

void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              const float (&c)[4], Site site);
void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              const float (&c)[4], Site site);
/// `count` 8x8 matrices of 16-bit elements whose rows' addresses the lanes hold.
void ldmatrix(std::uint32_t* registers, int count, bool transposed, const void* row, Site site);

void async_copy(void* shared, const void* global, std::size_t bytes, bool copies, Site site);
void async_commit();
void async_wait(std::size_t groups_in_flight);

void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name);
void* dynamic_shared_memory();

/// One access of `bytes` bytes as the checker sees it, then the copy.
void checked_load(void* value, const void* from, std::size_t bytes, std::size_t alignment);
void checked_store(void* to, const void* value, std::size_t bytes, std::size_t alignment);
/// Reports an access by ld() or st() whose address isn't a multiple of the type's alignment.
[[noreturn]] void misaligned(const void* p, std::size_t bytes, std::size_t alignment);

}  // namespace simt
