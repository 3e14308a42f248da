/// Sharing an index range among the threads of an Exec.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/runtime/exec.h"
#include "kernels/runtime/thread_pool.h"

namespace trifold::kernels::cpu {

/// Calls body(begin, end) on disjoint ranges that cover [0, count); every inner border is a
/// multiple of `grain`. Work of a single grain, or with no pool, stays on the caller, for it would
/// not repay the waking of a thread.
template <class Body>
void for_ranges(const Exec& ex, std::int64_t count, std::int64_t grain, const Body& body) {
  const std::int64_t grains = (count + grain - 1) / grain;
  if (grains < 1) return;
  if (ex.pool == nullptr || grains == 1) return body(std::int64_t{0}, count);
  ex.pool->parallel_for(grains, [&](std::int64_t begin, std::int64_t end) {
    body(begin * grain, std::min(end * grain, count));
  });
}

/// How many units of `unit_size` elements each make a range worth a thread.
inline std::int64_t grain_of(std::int64_t unit_size) {
  constexpr std::int64_t elements = 16384;
  return std::max<std::int64_t>(1, elements / unit_size);
}

}  // namespace trifold::kernels::cpu
