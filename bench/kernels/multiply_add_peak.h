/// The machine's own limit of arithmetic, the yardstick of the convolutions.
#pragma once

#include "kernels/runtime/thread_pool.h"

namespace trifold::bench {

/// Flop/s of float32 multiply-adds on all threads of `pool` together: chains of them in registers,
/// with the active instruction set and nothing of the library's; the best of some tenths of a
/// second.
double multiply_add_peak(kernels::ThreadPool& pool);

}  // namespace trifold::bench
