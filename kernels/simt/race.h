/// Races, decided from who touched a word last. All synchronisation of a block is in intervals
/// between barriers (and, within a warp, between __syncwarp), so two accesses of different threads
/// are ordered exactly if they lie in different intervals. That blocks and threads take turns in the
/// emulator hides nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simt::race {

/// Who accesses, in one word:
///   block 28 bits | thread 10 | barrier interval 15 | warp interval 7 | flags 4.
/// Blocks are numbered over all launches, so nothing has to be cleared between them.
using Stamp = std::uint64_t;

inline constexpr int warp_interval_shift = 4, barrier_interval_shift = 11, thread_shift = 26,
                     block_shift = 36;
inline constexpr Stamp atomic = 1;       ///< all accesses that the stamp stands for were atomic
inline constexpr Stamp other_lane = 2;   ///< other lanes did the same in the same interval
inline constexpr Stamp other_warp = 4;   ///< so did other warps
inline constexpr Stamp other_block = 8;  ///< so did other blocks of the launch

constexpr Stamp stamp(std::uint64_t block, unsigned thread, unsigned barrier_interval,
                      unsigned warp_interval) {
  return block << block_shift | Stamp{thread} << thread_shift |
         Stamp{barrier_interval & 0x7fff} << barrier_interval_shift |
         Stamp{warp_interval & 0x7f} << warp_interval_shift;
}
constexpr std::uint64_t block_of(Stamp s) { return s >> block_shift; }
constexpr unsigned thread_of(Stamp s) { return static_cast<unsigned>(s >> thread_shift & 0x3ff); }

/// Last write and last read of a word or a byte; 0 for none. Instructions are offsets in the
/// program.
struct Cell {
  Stamp write, read;
  std::uint32_t write_code, read_code;
};

/// What the running thread is.
struct Access {
  Stamp now;
  std::uint64_t first_block;  ///< number of the launch's first block
  bool global;                ///< global rather than shared memory
  bool write, atomic;
  std::uint32_t code;
};

enum class Conflict { none, in_block, between_blocks };

/// The conflicts of an access with what the cell remembers, which then remembers the access.
struct Found {
  Conflict with_write, with_read;
};
Found touch(Cell& cell, const Access& access);

/// Whether nothing in the stamp can conflict with the running thread: the common case, inline.
inline bool plainly_ordered(Stamp old, const Access& a) {
  const Stamp differing = old ^ a.now;
  if ((differing >> block_shift) != 0) return block_of(old) < a.first_block;
  if ((old & other_block) != 0) return false;
  return (differing >> barrier_interval_shift & 0x7fff) != 0;
}

}  // namespace simt::race
