/// The three convolutions of an inverted residual block, for inference, in one op.
///
/// Test tests/kernels/inverted_residual_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/packed_conv2d.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// expand and project have 1 x 1 windows, stride 1 and no pads; each reads what the one before it
/// writes.
struct InvertedResidualShape {
  Conv2dShape expand;
  DepthwiseConv2dShape depthwise;
  Conv2dShape project;
};

/// Throws ShapeError unless check() passes each convolution and they fit together.
void check(const InvertedResidualShape& s);

/// Weights of 1 x 1 convolutions as conv2d_pack makes them, biases (filters) or null, and what follows
/// the first two.
struct InvertedResidualWeights {
  const float *expand, *expand_b;
  Activation expand_act;
  const float *depthwise, *depthwise_b;
  Activation depthwise_act;
  const float *project, *project_b;
};

/// Floats of working memory that inverted_residual_forward asks for.
std::int64_t inverted_residual_workspace(const Exec& ex, const InvertedResidualShape& s);

/// y = act(project(depthwise(expand(x))) [+ residual]), each with its bias and activation, equal to what
/// conv2d_packed_forward and depthwise_conv2d_forward give for finite weights. Where the wide arrays
/// between them are too large for a CPU's level 2 cache, they are worked a band of rows at a time.
/// Shapes    x as expand's, y as project's; residual as y, or null; workspace of
///           inverted_residual_workspace(ex, s) floats.
/// Effects   overwrites y, which may be residual but not x, and workspace.
/// Errors    ShapeError as check() says.
/// Source    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, which
///           also keeps the wide arrays out of memory, by groups of channels instead of rows.
void inverted_residual_forward(const Exec& ex, const InvertedResidualShape& s, const float* x,
                               const InvertedResidualWeights& w, const float* residual,
                               Activation act, float* workspace, float* y);

}  // namespace trifold::kernels
