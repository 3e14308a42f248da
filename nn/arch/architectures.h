/// The built-in network families.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/graph.h"

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
/// (fc).
/// Errors    ConfigError: another depth.
Graph imagenet_resnet(std::int64_t depth, std::int64_t channels, std::int64_t classes);

/// What makes a DenseNet for small images: three dense blocks with transitions between them.
struct DenseNetSize {
  std::int64_t layers_per_block;
  std::int64_t growth;
  bool bottleneck = false;   ///< a 1x1 convolution to 4 growth channels before each 3x3
  double compression = 1.0;  ///< channels that a transition keeps
  std::int64_t stem = 16;    ///< channels of the first convolution
};

/// DenseNet: layer = batch norm, ReLU, convolution, concatenated to its input; transition = batch
/// norm, ReLU, 1x1 convolution, 2x2 average pooling. Names: conv1, dense1.0.bn1, dense1.0.conv1,
/// trans1.bn1, trans1.conv1, ..., bn, fc.
/// Source    Huang et al., "Densely Connected Convolutional Networks", 2017, section 3.
Graph densenet(const DenseNetSize& size, std::int64_t channels, std::int64_t classes);

/// A built-in network by name: resnet8, 14, 20, 32, 44, 56, 110 (any 6n + 2) for small images, with
/// shortcut B as resnet20b; resnet18, 34, 50 for large ones; densenet40 (k = 12, a stem of 24
/// channels), densenet-bc100 (k = 12).
/// Errors    ConfigError that lists the names.
Graph make_architecture(const std::string& name, std::int64_t channels, std::int64_t classes);

/// The image side in pixels that a built-in network is made for: 224 for resnet18, 34 and 50, else 32.
std::int64_t usual_side(const std::string& name);

/// The names that --help shows.
std::vector<std::string> architecture_names();

}  // namespace trifold::nn
