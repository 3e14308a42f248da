/// Kernels that show one piece of the dialect's meaning each; tested against plain loops.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/simt/toolkit/cuda_runtime.h"

namespace simt::test {

/// One value a lane of a warp.
struct WarpResults {
  std::vector<int> from_3, xor_5, down_4, up_4_of_8, even_votes, any, all, match, sum, least, most;
};
WarpResults run_warp();

struct BarrierResults {
  std::vector<int> count, all, any, reversed;
};
/// A block of `threads` threads, whose predicate is thread % 3 == 0; reversed is through shared
/// memory.
BarrierResults run_barriers(unsigned threads);

struct AtomicResults {
  int add, least, most, exchange_count, bits, compare_and_swap;
  float float_add;
};
/// 4 blocks of 64 threads.
AtomicResults run_atomics();

struct ArithmeticResults {
  /// Of inf - inf as unsigned, as int and in bfloat16; of a subnormal number; of 1 / 2^127 by
  /// __fdividef.
  std::vector<std::uint32_t> bits;
  /// Of inf - inf, 2^-126, -inf and inf - inf, stored as a vector; and of an mma that adds
  /// inf - inf and 0 to zeros, the rest being zeros.
  std::vector<std::uint32_t> stored;
  /// To integers: inf - inf, 3e9, -3e9 and 1.25, rounded up.
  std::vector<int> ints;
};
ArithmeticResults run_arithmetic();

/// Of each thread of a grid of (3,2,2) blocks of (4,3,2) threads: its number, from its indices.
std::vector<int> run_indices();

/// c = a b with one mma per step of depth; a (16,k), b (k,8) row-major, by fragments that are filled
/// from the figures, or by ldmatrix and cp.async.
enum class Multiply { bf16_fragments, bf16_ldmatrix, tf32_fragments, tf32_ldmatrix };
std::vector<float> run_product(Multiply how, int k, const std::vector<float>& a,
                               const std::vector<float>& b);

/// What ldmatrix_x2 (not) transposed puts into the lanes: two half-words a register.
std::vector<std::uint32_t> run_ldmatrix_x2(bool transposed);

/// y = x copied by cp_async16 or cp_async4, zeros where i >= n.
std::vector<float> run_async_copy(bool vectors, int n);

/// A chain of kernels on two streams with an event between them; `waits` for the event or not.
float run_two_streams(bool waits);

/// Reads pinned memory after a copy to it, with the synchronisation in between or not.
float run_pinned(bool synchronises);

/// An element that two kernels of a captured stream multiply by 6: after the capture, and after each
/// launch of its graph.
std::vector<float> run_graph(int launches);

/// What can't be captured.
enum class Uncapturable {
  allocation,
  release,
  pinned_allocation,
  pageable_copy,
  waiting_copy,
  stream_synchronisation,
  device_synchronisation,
  event_synchronisation,
  query,
};
/// What such a call during a capture does to it: the results of the start of the capture, the call,
/// the end of the capture, and an allocation after it.
std::vector<cudaError_t> spoil_capture(Uncapturable call);

/// One warp reads a matrix along rows (stride 1) or columns (stride 32) of shared and of global
/// memory and writes 32 floats.
void run_strided(int stride);

}  // namespace simt::test
