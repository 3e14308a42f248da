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

/// The rule, of times measured for 1 to 32 channels (bench/README.md). What decides is the channels
/// that a pass reads, c, or k for the data gradient: from 5 on Winograd's algorithm pays, however
/// few the other side has. Its transforms of weights cost as much as 2 tiles, and of their gradients,
/// with the partial sums, as much as 16: it takes twice as many tiles to repay them, and eight times
/// as many below 8 channels, which save less a tile.
Conv2dAlgorithm conv2d_algorithm(const Conv2dShape& s, Conv2dPass pass);

/// Forces an algorithm for every shape that it takes, for tests and comparisons; empty: the rule
/// again. The environment variable TRIFOLD_CONV2D (direct, winograd) does the same at start.
/// Errors    ConfigError: a value of the variable that is neither.
void force_conv2d_algorithm(std::optional<Conv2dAlgorithm> algorithm);

}  // namespace trifold::kernels::cpu
