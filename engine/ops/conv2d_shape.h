/// The shapes that convolutions take.
#pragma once

#include "engine/ops.h"
#include "kernels/conv2d.h"

namespace trifold::engine {

/// Of an input xs (n,h,w,c), weights ws (r,s,c,k) and a bias bs (k) or a null pointer.
/// Errors    ShapeError: they don't fit together.
kernels::Conv2dShape conv2d_shape(const Shape& xs, const Shape& ws, const Shape* bs,
                                  const ConvGeometry& g);

}  // namespace trifold::engine
