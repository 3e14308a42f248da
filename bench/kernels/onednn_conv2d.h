/// oneDNN's convolution of the same shapes, as a yardstick in the same process.
#pragma once

#include <functional>
#include <vector>

#include "bench/kernels/conv2d_check.h"

namespace trifold::bench {

/// One pass on memory of its own, in the layouts that oneDNN prefers, so that no reorder is timed.
struct OneDnnConv2d {
  std::function<void()> run;
  std::function<std::vector<float>()> result;  ///< of the last run, in this project's layout
};

/// first, second: the pass's operands as Conv2dArrays has them. `threads` is what OpenMP gets.
OneDnnConv2d onednn_conv2d(Pass pass, const kernels::Conv2dShape& s, int threads,
                           const float* first, const float* second);

}  // namespace trifold::bench
