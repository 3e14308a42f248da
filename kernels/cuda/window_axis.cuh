/// Which pixels a window covers that moves over an image, and which windows cover a pixel.
#pragma once

#include "kernels/simt/simt.h"

namespace trifold::kernels::cuda {

/// One dimension of a pool or of a depthwise convolution.
struct Axis {
  int size, outputs, window, stride, pad;

  struct Span {
    int begin, end;
  };
  /// The pixels of a window, without padding.
  __device__ Span pixels_of(int output) const {
    const int first = output * stride - pad;
    return {max(first, 0), min(first + window, size)};
  }
  /// The windows that cover a pixel.
  __device__ Span windows_of(int pixel) const {
    const int last = pixel + pad, before = last - window;
    return {before < 0 ? 0 : before / stride + 1, min(last / stride + 1, outputs)};
  }
};

}  // namespace trifold::kernels::cuda
