/// The sigmoid, and what is made of it: SiLU, and the piecewise stand-ins of both.
///
/// Reference tests/oracle/sigmoid.h; test tests/kernels/sigmoid_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// sigmoid       s(x) = 1 / (1 + exp(-x))
/// silu          x s(x), also called Swish
/// hard_sigmoid  h(x) = min(max(x + 3, 0), 6) / 6
/// hard_swish    x h(x)
enum class SigmoidKind { sigmoid, silu, hard_sigmoid, hard_swish };

/// y[i] = f(x[i]) with the f of `kind`.
/// Shapes    x (count), y (count); on ex.device.
/// Effects   overwrites y, which may be x. NaN stays NaN.
/// Numerics  for finite x: |y - exact| <= 8 2^-24 |exact| + 2^-118; the piecewise ones err by as much
///           of (|x| + 3) / 6, times |x| for hard_swish.
/// Source    Elfwing et al., "Sigmoid-weighted linear units", Neural Networks 2018; Howard et al.,
///           "Searching for MobileNetV3", ICCV 2019, section 5.2.
void sigmoid_forward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                     float* y);

/// dx[i] = f'(x[i]) dy[i]. At the bends of the piecewise ones, x = -3 and x = 3, the derivative is
/// that of the side away from 0.
/// Shapes    x (count), dy (count), dx (count); on ex.device.
/// Effects   overwrites dx, which may be dy or x.
/// Numerics  for finite x: |dx - exact| <= 16 2^-24 (1 + |x|) |dy|, for a sigmoid without the |x|.
void sigmoid_backward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                      const float* dy, float* dx);

}  // namespace trifold::kernels
