/// Channel selection with optional spatial subsampling.
///
/// Reference tests/oracle/channel_gather.h; test tests/kernels/channel_gather_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// The output has p = ceil(h / stride) rows, q = ceil(w / stride) columns and k channels.
struct ChannelGatherShape {
  std::int64_t n, h, w, c, k, stride = 1;

  std::int64_t p() const { return (h + stride - 1) / stride; }
  std::int64_t q() const { return (w + stride - 1) / stride; }
};

/// Throws ShapeError unless every extent and the stride are >= 1.
void check(const ChannelGatherShape& s);

/// y[n,p,q,j] = x[n, p stride, q stride, source[j]], or 0 where source[j] is -1.
/// Selects inputs of a layer (stride 1), and is the parameter-free shortcut of a ResNet (option A):
/// stride 2, the input's channels in the middle of zeros.
/// Shapes    x (n,h,w,c), source (k) int32 with entries in [-1, c), y (n,p,q,k); on ex.device.
/// Effects   overwrites y, which does not overlap x.
/// Errors    ShapeError: an extent < 1; on the CPU also a source outside its range.
/// Source    He et al., 2016, section 3.3 (option A).
void channel_gather_forward(const Exec& ex, const ChannelGatherShape& s, const float* x,
                            const std::int32_t* source, float* y);

/// The adjoint (scatter): dx[..., source[j]] = sum of dy over j, 0 where nothing was read.
/// Overwrites dx. A channel may be read more than once; the sum is in order of j.
void channel_gather_backward(const Exec& ex, const ChannelGatherShape& s, const float* dy,
                             const std::int32_t* source, float* dx);

}  // namespace trifold::kernels
