/// What a convolution's CUDA kernels have to do, as kernels/cuda/conv2d/plan.h cuts them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bench/step_traffic.h"
#include "kernels/conv2d.h"

namespace trifold::bench {

/// Of `count` floats.
inline double bytes(std::int64_t count) { return 4.0 * static_cast<double>(count); }

/// Multiply-adds, those of tiles' paddings left out.
double least_macs(const kernels::Conv2dShape& s);

struct Conv2dWork {
  double macs;  ///< in whole tiles and steps
  std::int64_t
      parts;      ///< tiles of one column; of the weight gradient those that the depth is cut in
  Kernel kernel;  ///< with a name of the tile alone
};
Conv2dWork forward_work(const kernels::Conv2dShape& s);
Conv2dWork data_gradient_work(const kernels::Conv2dShape& s);
Conv2dWork weight_gradient_work(const kernels::Conv2dShape& s);

/// Of both gradients, or that of the filters alone, where one kernel computes them.
std::optional<Conv2dWork> fused_backward_work(const kernels::Conv2dShape& s, bool tensor_cores,
                                              bool both);

}  // namespace trifold::bench
