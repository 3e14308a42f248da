#include "kernels/inverted_residual_steps.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {

std::int64_t inverted_residual_workspace(const Exec&, const InvertedResidualShape& s) {
  return inverted_residual_step_floats(s);
}

void inverted_residual_forward(const Exec& ex, const InvertedResidualShape& s, const float* x,
                               const InvertedResidualWeights& w, const float* residual,
                               Activation act, float* workspace, float* y) {
  check(s);
  inverted_residual_in_steps<cuda::conv2d_packed_forward, cuda::depthwise_conv2d_forward>(
      ex, s, x, w, residual, act, workspace, y);
}

}  // namespace trifold::kernels::cuda
