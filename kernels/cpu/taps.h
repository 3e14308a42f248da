/// The sparse matrix A of a bilinear resize in one dimension.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/resize.h"

namespace trifold::kernels::cpu {

/// Output i is the sum of weight[t] times the source index[t] over t in [offset[i], offset[i + 1]).
/// Within an output the indices ascend.
struct Taps {
  std::vector<std::int64_t> offset;
  std::vector<std::int64_t> index;
  std::vector<float> weight;

  std::int64_t outputs() const { return static_cast<std::int64_t>(offset.size()) - 1; }
};

/// A (dst x src): weights are computed in double and rounded once; weights of 0 are left out.
Taps resize_taps(ResizeFilter filter, std::int64_t src, std::int64_t dst);

/// A^T, for the backward pass. `taps` has `sources` sources.
Taps transposed(const Taps& taps, std::int64_t sources);

}  // namespace trifold::kernels::cpu
