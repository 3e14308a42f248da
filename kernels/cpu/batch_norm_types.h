/// Types that the batch normalisation of every target shares.
#pragma once

#include <cstdint>
#include <vector>

namespace trifold::kernels::cpu {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

inline std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

/// The gradient behind a fused ReLU: dy under the mask y > 0.
struct MaskedGradient {
  const float* dy;
  const float* y;  ///< null without ReLU
};

}  // namespace trifold::kernels::cpu
