/// Dropout: elements that are zeroed at random, while the others grow by as much.
///
/// Reference tests/oracle/dropout.h; test tests/kernels/dropout_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// What an element's draw is a function of, beside its place and the step.
struct DropoutDraws {
  std::uint64_t seed;
  std::uint32_t stream, layer;
};

/// Throws ShapeError unless 0 <= rate < 1.
void check_dropout(float rate);

/// y[i] = x[i] / (1 - rate) where word i % 4 of philox({i / 4, step, layer, stream}, seed) is at
/// least rate 2^32, else 0 (kernels/philox.h). The gradient is the same function of dy.
/// Shapes    x (count), y (count); step (1), a whole number below 2^24; on ex.device.
/// Effects   overwrites y, which may be x. What is kept is the same on every device.
/// Errors    ShapeError as check_dropout() says.
/// Numerics  one multiplication by the float next to 1 / (1 - rate): the same bits on every device.
/// Source    Srivastava et al., "Dropout", JMLR 2014; scaled in training, as is usual since.
void dropout(const Exec& ex, std::int64_t count, float rate, const DropoutDraws& draws,
             const float* step, const float* x, float* y);

}  // namespace trifold::kernels
