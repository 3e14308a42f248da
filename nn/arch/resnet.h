/// ResNets, for small and for large images.
#pragma once

#include <cstdint>

#include "nn/arch/architectures.h"

namespace trifold::nn {

/// How a residual block's shortcut changes size. A: every second pixel, new channels zero, no
/// parameters. B: a 1x1 convolution with batch norm.
enum class Shortcut { A, B };

/// ResNet for small images, depth 6n + 2: a 3x3 stem of 16 channels, three stages of n basic blocks
/// with 16, 32, 64 channels, global pooling, a linear classifier. Names as in PyTorch's CIFAR
/// ResNets (conv1, bn1, layer1.0.conv1, ..., linear).
/// Errors    ConfigError: a depth that is not 6n + 2 with n >= 1.
/// Source    He et al., "Deep Residual Learning", 2016, section 4.2.
Graph cifar_resnet(std::int64_t depth, Shortcut shortcut, std::int64_t channels,
                   std::int64_t classes);

/// ResNet-18, 34 (basic blocks) or 50 (bottlenecks, stride in the 3x3 convolution) for larger
/// images: a 7x7 stem of stride 2, max pooling, four stages; shortcut B. Names as in torchvision
/// (fc). With `groups` the 3x3 convolutions of bottlenecks are in so many, each of 4, 8, 16 and 32
/// channels by the stage: 32 make ResNeXt-50 (32x4d).
/// Errors    ConfigError: another depth.
/// Source    He et al., "Deep Residual Learning", 2016, table 1; Xie et al., "Aggregated Residual
///           Transformations for Deep Neural Networks", 2017, table 1.
Graph imagenet_resnet(std::int64_t depth, std::int64_t channels, std::int64_t classes,
                      std::int64_t groups = 1);

/// resnet20 and the like of any depth 6n + 2, and with shortcut B as resnet20b.
ArchitectureFamily cifar_resnets();

/// resnet18, resnet34, resnet50 and resnext50-32x4d.
ArchitectureFamily imagenet_resnets();

}  // namespace trifold::nn
