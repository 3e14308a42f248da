/// The machine's own limit of traffic, the yardstick of what is bound by memory.
#pragma once

#include "kernels/thread_pool.h"

namespace trifold::bench {

/// Bytes/s of y = a + b over arrays of 64 MB on all threads of `pool` together, in plain compiled
/// code with nothing of the library's; the best of seven.
double memory_bandwidth(kernels::ThreadPool& pool);

}  // namespace trifold::bench
