/// EfficientNets.
#pragma once

#include <cstdint>

#include "nn/arch/architectures.h"

namespace trifold::nn {

/// EfficientNet-B0 for large images: a 3x3 stem of 32 channels and stride 2, 16 inverted residual
/// blocks in seven stages, a 1x1 convolution to 1280 channels, global pooling, dropout, a linear
/// classifier. A block widens its input, filters each channel by a depthwise 3x3 or 5x5 convolution,
/// scales the channels by squeeze and excitation and narrows the result, behind which there is no
/// activation; all others are SiLU. Where its stride is 1 and the widths agree, its input is added.
/// Names as in torchvision's efficientnet_b0 (features.0.0, features.1.0.block.0.0, ...,
/// classifier.1), whose files of weights fit; its stochastic depth, which leaves out blocks at random
/// in training, isn't here.
/// Source    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
///           2019, table 1; torchvision/models/efficientnet.py.
Graph efficientnet_b0(std::int64_t channels, std::int64_t classes);

/// efficientnet-b0.
ArchitectureFamily efficientnets();

}  // namespace trifold::nn
