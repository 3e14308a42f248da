/// MobileNets.
#pragma once

#include <cstdint>

#include "nn/arch/architectures.h"

namespace trifold::nn {

/// MobileNetV2 for small images: a 3x3 stem of 32 channels and stride 1, 17 inverted residual blocks
/// in seven stages, a 1x1 convolution to 1280 channels, global pooling, a linear classifier. A block
/// widens its input by a 1x1 convolution, filters each channel by a depthwise 3x3 convolution and
/// narrows the result by a 1x1 convolution, behind which there is no activation. Where its stride is
/// 1 its input is added, by a 1x1 convolution with batch norm where the widths differ. As in the
/// usual PyTorch source for small images, which names its parameters (conv1, bn1, layers.0.conv1,
/// ..., conv2, bn2, linear), the second stage has stride 1, and activations are ReLU.
/// Source    Sandler et al., "MobileNetV2", 2018, table 2; github.com/kuangliu/pytorch-cifar,
///           models/mobilenetv2.py.
Graph mobilenet_v2(std::int64_t channels, std::int64_t classes);

/// mobilenetv2.
ArchitectureFamily mobilenets();

}  // namespace trifold::nn
