/// Inverted residual blocks of inference, whose weights stay.
#pragma once

#include "engine/ops.h"
#include "engine/packed_conv2d.h"
#include "kernels/inverted_residual.h"

namespace trifold::engine {

/// A depthwise convolution with the activation behind it: w (r,s,c), b (c).
struct ConstantDepthwise {
  Tensor w, b;
  ConvGeometry geometry;
  kernels::Activation act;
};

/// act(project(depthwise(expand(x))) [+ residual]) as kernels::inverted_residual_forward has it.
class PackedInvertedResidual {
 public:
  /// The 1 x 1 convolutions have no norm in front; the first has `expand_act` behind it.
  PackedInvertedResidual(PackedConv2d expand, kernels::Activation expand_act,
                         ConstantDepthwise depthwise, PackedConv2d project)
      : expand_(std::move(expand)),
        expand_act_(expand_act),
        depthwise_(std::move(depthwise)),
        project_(std::move(project)) {}

  /// x (n,h,w,c) -> (n,p,q,k); residual is a null pointer or has the shape of the result.
  /// Errors    ShapeError where shapes don't fit together.
  Tensor run(const kernels::Exec& ex, const Tensor& x, const Tensor* residual,
             kernels::Activation act);

 private:
  PackedConv2d expand_;
  kernels::Activation expand_act_;
  ConstantDepthwise depthwise_;
  PackedConv2d project_;
};

}  // namespace trifold::engine
