/// Convolutions of inference, whose weights stay.
#pragma once

#include <cstdint>
#include <map>

#include "engine/ops.h"
#include "kernels/conv2d.h"

namespace trifold::engine {

/// A convolution with weights packed in the form that the device reads fastest, once for each form
/// that its inputs' shapes ask for, instead of at every call.
class PackedConv2d {
 public:
  /// w (r,s,c,k), b (k), on the device that it is to run on. Both stay as they are.
  PackedConv2d(Tensor w, Tensor b, const ConvGeometry& geometry)
      : w_(std::move(w)), b_(std::move(b)), geometry_(geometry) {}

  /// act(conv2d(x) + b [+ residual]) in one kernel, x (n,h,w,c) -> (n,p,q,k); residual is a null
  /// pointer or has the shape of the result.
  /// Errors    ShapeError where shapes don't fit together.
  Tensor run(const kernels::Exec& ex, const Tensor& x, const Tensor* residual,
             kernels::Activation act);

 private:
  Tensor w_, b_;
  ConvGeometry geometry_;
  std::map<std::int32_t, Tensor> packed_;  // by form
};

}  // namespace trifold::engine
