/// Which of the CPU's convolution algorithms a shape runs with.
#pragma once

#include <optional>

#include "kernels/conv2d.h"

namespace trifold::kernels::cpu {

enum class Conv2dAlgorithm {
  direct,   ///< register tiles over all taps; every shape
  winograd  ///< F(4x4, 3x3); 3 x 3 windows of stride 1
};

/// The rule. Winograd's transforms cost about as much as 16 products a pixel and channel, so that
/// it pays from a few channels and filters on.
Conv2dAlgorithm conv2d_algorithm(const Conv2dShape& s);

/// Forces an algorithm for every shape that it takes, for tests and comparisons; empty: the rule
/// again. The environment variable TRIFOLD_CONV2D (direct, winograd) does the same at start.
/// Errors    ConfigError: a value of the variable that is neither.
void force_conv2d_algorithm(std::optional<Conv2dAlgorithm> algorithm);

}  // namespace trifold::kernels::cpu
