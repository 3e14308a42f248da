/// oneDNN's convolution of the same shapes, as a yardstick in the same process.
#pragma once

#include <functional>

#include "kernels/conv2d.h"
#include "kernels/cpu/conv2d_algorithm.h"

namespace trifold::bench {

using Pass = kernels::cpu::Conv2dPass;

/// A call that runs one pass on memory of its own in the layouts that oneDNN prefers, so that no
/// reorder is timed. `threads` is what OpenMP gets.
std::function<void()> onednn_conv2d(Pass pass, const kernels::Conv2dShape& s, int threads);

}  // namespace trifold::bench
