/// Convolutions of inference, whose weights stay.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "engine/ops.h"
#include "kernels/packed_conv2d.h"

namespace trifold::engine {

/// A batch norm with statistics that stay: act((x - mean) scale + shift). (c) each.
struct ConstantNorm {
  Tensor mean, scale, shift;
  kernels::Activation act;
};

/// A convolution with weights packed in the form that the device reads fastest, once for each form
/// that its inputs' shapes ask for, instead of at every call.
class PackedConv2d {
 public:
  /// w (r,s,c,k), b (k) and the norm, if there is one, on the device that it is to run on. All stay
  /// as they are.
  PackedConv2d(Tensor w, Tensor b, const ConvGeometry& geometry,
               std::optional<ConstantNorm> norm = std::nullopt)
      : w_(std::move(w)), b_(std::move(b)), geometry_(geometry), norm_(std::move(norm)) {}

  /// act(conv2d(norm(x)) + b [+ residual]) in one kernel, x (n,h,w,c) -> (n,p,q,k); residual is a
  /// null pointer or has the shape of the result. With a norm, x may have more channels than w: its
  /// first are read.
  /// Errors    ShapeError where shapes don't fit together.
  Tensor run(const kernels::Exec& ex, const Tensor& x, const Tensor* residual,
             kernels::Activation act);

  /// What run() works for an x of that shape.
  kernels::Conv2dShape shape(const Shape& x) const;
  /// The weights in the form for a shape, packed at the first call; and the bias.
  const float* packed(const kernels::Exec& ex, const kernels::Conv2dShape& s);
  const float* bias() const { return b_.data(); }

 private:
  Tensor w_, b_;
  ConvGeometry geometry_;
  std::optional<ConstantNorm> norm_;
  std::map<std::int32_t, Tensor> packed_;  // by form
};

}  // namespace trifold::engine
