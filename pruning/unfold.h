/// Batch norms for networks that came without them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/runtime/exec.h"
#include "nn/data/dataset.h"
#include "nn/data/normalisation.h"
#include "nn/input_size.h"
#include "nn/network.h"

namespace trifold::pruning {

/// The convolutions whose channels no batch norm scales, depthwise ones and those in groups among them, in ascending
/// order: those that an exporter has folded theirs into, and those that never had one.
std::vector<nn::NodeId> without_norm(const nn::Graph& graph);

/// The network with a batch norm behind each convolution of without_norm(): the same function, which
/// trains at the usual rates again and tells which channels matter. Over `images` training images,
/// drawn with `seed`, a convolution's output y has the mean m and the variance v a channel; its norm
/// gets beta = m, gamma = sqrt(v + eps), and m and v as running statistics, and takes over the
/// convolution's bias, and the ReLU or the residual add that alone reads y.
/// Effects   none on `network`. Deterministic for a seed, and for any thread count.
/// Errors    as nn::check_fits; DivergedError: a statistic that is not finite.
/// Numerics  y is computed as gamma (y - m) / sqrt(v + eps) + m: within a few units in the last place
///           of |y| + |m|.
nn::Network with_batch_norms(const nn::Network& network, const nn::Dataset& train,
                             const nn::Normalisation& normalisation, nn::InputSize size,
                             const kernels::Exec& ex, std::uint64_t seed,
                             std::int64_t images = 2560);

}  // namespace trifold::pruning
