/// The memory between the passes of a weight gradient.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/cuda/conv2d/backward_sums.h"
#include "kernels/cuda/conv2d/plan.h"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda {

/// Room for the parts of a weight gradient, cut by the shape alone.
class WeightParts {
 public:
  WeightParts(const Exec& ex, const Conv2dShape& s, float* dw)
      : tile_(choose_conv2d_split_tile(s.r * s.s * s.c, s.k)),
        split_(split_conv2d_weight(s.r * s.s * s.c, s.k, s.n * s.p() * s.q(), tile_)),
        floats_(s.w_size()),
        dw_(dw),
        memory_(ex, split_.parts > 1 ? split_.parts * floats_ : 0) {}

  Conv2dTile tile() const { return tile_; }
  const Conv2dSplit& split() const { return split_; }
  /// Where the first pass writes.
  float* target() const { return split_.parts > 1 ? memory_.data() : dw_; }
  FilterParts filters() const { return {memory_.data(), split_.parts, floats_, dw_}; }

 private:
  Conv2dTile tile_;
  Conv2dSplit split_;
  std::int64_t floats_;
  float* dw_;
  Scratch<float> memory_;
};

}  // namespace trifold::kernels::cuda
