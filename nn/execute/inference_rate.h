/// How fast a network is.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"
#include "nn/network.h"

namespace trifold::nn {

/// Images a second of inference alone, on batches of side x side images that lie on the device
/// already: the median of the passes of about a second, at least three, after one to warm up.
double inference_rate(const Network& network, std::int64_t side, const kernels::Exec& ex,
                      std::int64_t batch = 128);

}  // namespace trifold::nn
