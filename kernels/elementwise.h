/// Element-wise maps over contiguous arrays of `count` elements.
///
/// Reference tests/oracle/elementwise.h; test tests/kernels/elementwise_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// y = max(x, 0). y may be x. NaN stays NaN.
void relu_forward(const Exec& ex, std::int64_t count, const float* x, float* y);

/// dx = dy where y > 0, else 0, with y the output of relu_forward. dx may be dy.
void relu_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy, float* dx);

/// y = min(max(x, 0), 6). y may be x. NaN stays NaN.
/// Source    Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010.
void relu6_forward(const Exec& ex, std::int64_t count, const float* x, float* y);

/// dx = dy where 0 < y < 6, else 0, with y the output of relu6_forward: 0 at both bounds, as
/// PyTorch's hardtanh has it. dx may be dy.
void relu6_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy, float* dx);

/// y = a + b. y may be a or b.
void add(const Exec& ex, std::int64_t count, const float* a, const float* b, float* y);

/// y = value.
void fill(const Exec& ex, std::int64_t count, float value, float* y);

/// y = scale x. y may be x.
void scale(const Exec& ex, std::int64_t count, float scale, const float* x, float* y);

/// y = *factor x, with the factor on ex.device. y may be x.
void scale_by(const Exec& ex, std::int64_t count, const float* factor, const float* x, float* y);

/// Throws ShapeError unless there is something to average.
void check_mean(std::int64_t count);

/// *y = the mean of x; on ex.device.
/// Errors    ShapeError as check_mean() says.
/// Numerics  summed in double, in a fixed order: |*y - exact| <= 2^-23 mean |x|.
void mean(const Exec& ex, std::int64_t count, const float* x, float* y);

}  // namespace trifold::kernels
