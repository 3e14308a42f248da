#pragma once

#include "engine/ops.h"
#include "kernels/conv2d.h"

namespace trifold::engine {

/// The convolution of an input of shape x with weights w and, unless null, bias b.
/// Errors    ShapeError where they don't fit together.
kernels::Conv2dShape conv2d_shape(const Shape& x, const Shape& w, const Shape* b,
                                  const ConvGeometry& geometry);

}  // namespace trifold::engine
