/// DenseNets.
#pragma once

#include <cstdint>

#include "nn/arch/architectures.h"

namespace trifold::nn {

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

/// densenet40 and densenet-bc100, both with growth 12 and a stem of 24 channels.
ArchitectureFamily densenets();

}  // namespace trifold::nn
