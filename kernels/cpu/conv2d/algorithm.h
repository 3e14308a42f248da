/// Which of the CPU's convolution algorithms a shape runs with.
#pragma once

#include <optional>

#include "kernels/conv2d.h"

namespace trifold::kernels::cpu {

enum class Conv2dAlgorithm {
  direct,   ///< register tiles over all taps; every shape
  winograd  ///< F(4x4, 3x3); 3 x 3 windows of stride 1
};

enum class Conv2dPass { forward, backward_data, backward_weight };

/// The rule, by counting operations. A pixel takes 9 c k products directly, and 36 / 16 c k by
/// Winograd's algorithm, whose transforms cost about as much as 16 products a channel and a filter:
/// it pays where 6.75 c k > 16 (c + k), so from 5 channels and filters on; 8 is the next whole
/// vector (AVX2). The transforms of weights cost as much as 2 tiles, and of their gradients, with
/// the partial sums, as much as 16: it takes twice as many tiles to repay them.
Conv2dAlgorithm conv2d_algorithm(const Conv2dShape& s, Conv2dPass pass);

/// Forces an algorithm for every shape that it takes, for tests and comparisons; empty: the rule
/// again. The environment variable TRIFOLD_CONV2D (direct, winograd) does the same at start.
/// Errors    ConfigError: a value of the variable that is neither.
void force_conv2d_algorithm(std::optional<Conv2dAlgorithm> algorithm);

}  // namespace trifold::kernels::cpu
