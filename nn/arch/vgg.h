/// VGG networks.
#pragma once

#include <cstdint>

#include "nn/arch/architectures.h"

namespace trifold::nn {

/// VGG-16 for small images: thirteen 3x3 convolutions with batch norm in five stages of 64 to 512
/// channels, max pooling between the stages, and one linear classifier behind global pooling in place
/// of the three linear layers for large images. As in the PyTorch source of Network Slimming, which
/// names its parameters (feature.0, feature.1, ..., feature.41, classifier), convolutions have no
/// biases, and what the last stage yields is averaged, not pooled once more. It has no blocks, so
/// that its depth stays.
/// Source    Simonyan and Zisserman, "Very Deep Convolutional Networks", 2015, table 1, column D;
///           Liu et al., "Network Slimming", ICCV 2017, github.com/Eric-mingjie/network-slimming.
Graph vgg16(std::int64_t channels, std::int64_t classes);

/// vgg16.
ArchitectureFamily vggs();

}  // namespace trifold::nn
