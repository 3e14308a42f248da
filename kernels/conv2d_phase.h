/// The phases of a strided convolution's data gradient, in one dimension: what every backend works
/// out of a Conv2dShape.
#pragma once

#include "kernels/runtime/host_device.h"

namespace trifold::kernels {

/// The inputs of one residue of the stride, and the taps that reach them: input
/// i = first + m stride, m = 0 ... count - 1, takes outputs m - pad + t with tap last - t stride,
/// t = 0 ... taps - 1. So the gradient of each phase is a correlation of unit stride, and nothing
/// is multiplied in vain. Inputs that no window reaches have taps 0.
template <class Int>
struct Conv2dPhase {
  Int first, count, taps, last, pad;
};

/// Of `phase` in [0, stride), for an image of `extent` and a window.
template <class Int>
TRIFOLD_HOST_DEVICE constexpr Conv2dPhase<Int> phase_of(Int phase, Int extent, Int window,
                                                        Int stride, Int pad) {
  const Int tap = (phase + pad) % stride;  // the smallest tap that meets this phase
  const Int taps = tap < window ? (window - 1 - tap) / stride + 1 : 0;
  return {phase, phase < extent ? (extent - 1 - phase) / stride + 1 : 0, taps,
          tap + (taps - 1) * stride, taps - 1 - (phase + pad) / stride};
}

}  // namespace trifold::kernels
