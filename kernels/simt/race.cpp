#include "kernels/simt/race.h"

namespace simt::race {
namespace {

constexpr unsigned barrier_interval_of(Stamp s) {
  return static_cast<unsigned>(s >> barrier_interval_shift & 0x7fff);
}
constexpr unsigned warp_interval_of(Stamp s) {
  return static_cast<unsigned>(s >> warp_interval_shift & 0x7f);
}
constexpr unsigned warp_of(Stamp s) { return thread_of(s) / 32; }

bool same_launch(Stamp old, const Access& a) { return old != 0 && block_of(old) >= a.first_block; }

/// Whether something that `old` stands for is not ordered before the running thread's access.
Conflict unordered(Stamp old, const Access& a) {
  if (old == 0) return Conflict::none;
  if (block_of(old) != block_of(a.now)) {
    return a.global && same_launch(old, a) ? Conflict::between_blocks : Conflict::none;
  }
  if (a.global && (old & other_block) != 0) return Conflict::between_blocks;
  if (barrier_interval_of(old) != barrier_interval_of(a.now)) return Conflict::none;
  if ((old & other_warp) != 0 || warp_of(old) != warp_of(a.now)) return Conflict::in_block;
  if (warp_interval_of(old) != warp_interval_of(a.now)) return Conflict::none;
  const bool others = thread_of(old) != thread_of(a.now) || (old & other_lane) != 0;
  return others ? Conflict::in_block : Conflict::none;
}

/// The stamp of the running thread's access together with what `old` stands for in its interval.
Stamp merged(Stamp old, const Access& a) {
  Stamp s = a.now | (a.atomic ? atomic : 0);
  if (!same_launch(old, a)) return s;
  if (block_of(old) != block_of(a.now)) return a.global ? s | other_block : s;
  s |= old & other_block;
  if (barrier_interval_of(old) != barrier_interval_of(a.now)) return s;
  if ((old & atomic) == 0) s &= ~atomic;
  s |= old & other_warp;
  if (warp_of(old) != warp_of(a.now)) return s | other_warp;
  if (warp_interval_of(old) != warp_interval_of(a.now)) return s;
  s |= old & other_lane;
  return thread_of(old) != thread_of(a.now) ? s | other_lane : s;
}

Conflict conflict(Stamp old, const Access& a) {
  return a.atomic && (old & atomic) != 0 ? Conflict::none : unordered(old, a);
}

}  // namespace

Found touch(Cell& cell, const Access& a) {
  Found found{conflict(cell.write, a), a.write ? conflict(cell.read, a) : Conflict::none};
  if (a.write) {
    cell.write = merged(cell.write, a);
    cell.write_code = a.code;
  } else {
    cell.read = merged(cell.read, a);
    cell.read_code = a.code;
  }
  return found;
}

}  // namespace simt::race
