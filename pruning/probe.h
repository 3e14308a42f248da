/// How much each block adds, measured by linear classifiers on its input and output.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/data/dataset.h"
#include "nn/data/normalisation.h"
#include "nn/input_size.h"
#include "nn/network.h"

namespace trifold::pruning {

struct ProbeOptions {
  std::int64_t images = 10000;  ///< of the training set, the first of a seeded order
  std::int64_t epochs = 10;     ///< of each classifier over its features
  std::int64_t batch = 100;
  double lr = 0.1;  ///< cosine to 0; momentum 0.9, weight decay 1e-4 of weights and biases
  std::uint64_t seed = 0;
};

struct ProbeResult {
  double stem;                     ///< held-out top-1, percent, before the first block
  std::vector<double> accuracy;    ///< after each block
  std::vector<double> importance;  ///< of each block: accuracy after it less accuracy before it
};

/// DBP's measure of the importance of layers. The network is frozen; after the stem and after every
/// block, the globally averaged activations, standardised by their mean and deviation, feed a
/// linear classifier that is trained here on `train` and judged on `held_out`.
/// Effects   none on the network. Deterministic for a seed, and for any thread count.
/// Errors    as nn::check_fits; ConfigError: a network without blocks.
/// Source    Wang et al., "DBP: Discrimination Based Block-Level Pruning", arXiv 1912.10178.
ProbeResult probe_blocks(const nn::Network& network, const nn::Dataset& train,
                         const nn::Dataset& held_out, const nn::Normalisation& normalisation,
                         nn::InputSize size, const kernels::Exec& ex, const ProbeOptions& options);

}  // namespace trifold::pruning
