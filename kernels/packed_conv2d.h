/// Convolution for inference, where weights stay and nothing is kept for a gradient.
///
/// Reference tests/oracle/norm_conv2d.h; test tests/kernels/conv2d_packed_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/conv2d.h"
#include "kernels/norm_conv2d.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// The form in which a device reads the weights of a shape. Weights packed in one form serve every
/// shape that has the same.
struct Conv2dPacking {
  std::int32_t form;
  std::int64_t floats;  ///< of the packed weights
  bool operator==(const Conv2dPacking&) const = default;
};
Conv2dPacking conv2d_packing(const Exec& ex, const Conv2dShape& s);

/// Packs w (r,s,c,k) in the form conv2d_packing(ex, s), once for many calls.
/// Effects   overwrites `packed`, of conv2d_packing(ex, s).floats floats.
void conv2d_pack(const Exec& ex, const Conv2dShape& s, const float* w, float* packed);

/// y = act(conv2d_forward(a, w, b) [+ residual]) with a = norm(x), or a = x where norm is null:
/// what stands in front of the convolution is worked as it reads, and what follows while its result
/// is still in registers.
/// Shapes    packed as conv2d_pack makes it for a shape of the same form; residual as y, or null.
/// Effects   overwrites y, which may be residual.
/// Errors    ShapeError as check() and pitch_of() say.
/// Numerics  as norm_conv2d_forward, with |residual| beside |b|. NaN stays NaN.
void conv2d_packed_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                           const InputNorm* norm, const float* packed, const float* b,
                           const float* residual, Activation act, float* y);

}  // namespace trifold::kernels
