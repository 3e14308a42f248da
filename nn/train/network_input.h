/// Images as a network takes them.
#pragma once

#include "engine/tape.h"
#include "nn/data/dataset.h"
#include "nn/input_size.h"
#include "nn/network.h"

namespace trifold::nn {

/// Images (n,height,width,channels) as the input of a network: resized where they have another size,
/// without a gradient.
engine::Var network_input(const kernels::Exec& ex, const engine::Tensor& images, InputSize size);

/// Errors    ConfigError unless the images and labels of `dataset` fit the network.
void check_fits(const Network& network, const Dataset& dataset);

}  // namespace trifold::nn
