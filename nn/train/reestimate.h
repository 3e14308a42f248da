/// Batch norms' running statistics, measured anew.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"
#include "nn/data/dataset.h"
#include "nn/data/normalisation.h"
#include "nn/input_size.h"
#include "nn/network.h"

namespace trifold::nn {

/// The running statistics of all batch norms, measured anew: the average over the statistics of
/// `batches` batches of training images, drawn with `seed`. After surgery, and after a change of
/// resolution, the old ones are wrong.
void reestimate_batch_norm(Network& network, const Dataset& dataset,
                           const Normalisation& normalisation, InputSize size,
                           const kernels::Exec& ex, std::uint64_t seed, std::int64_t batches = 20,
                           std::int64_t batch = 128);

}  // namespace trifold::nn
