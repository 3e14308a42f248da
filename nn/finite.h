/// Telling numbers from what a diverged training leaves behind.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/tensor.h"
#include "nn/network.h"

namespace trifold::nn {

/// The place of the first value that is infinite or not a number.
std::optional<std::int64_t> find_not_finite(const engine::Tensor& values);

/// Errors    DivergedError naming the first parameter, running statistics included, that has such a
///           value.
void require_finite(const Network& network);

}  // namespace trifold::nn
