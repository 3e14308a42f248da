#include "kernels/cuda/conv2d/norm_backward.cuh"

#include "kernels/cuda/conv2d/fused_backward.h"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda {
namespace {

/// In arrays of activations this reads g, y and a, writes dy, reads it again, and writes g; with a
/// norm it reads x, and what there is of a and `added`.
void backward_in_halves(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                        const ConvInput& input, const float* w, const float* added, float* g,
                        float* sums, float* dw, const BatchNormCoefficients* coefficients) {
  const bool is_deferred = dy.y != nullptr;
  const Scratch<float> kept(ex, is_deferred && g != nullptr ? s.y_size() : 0);
  const WeightParts parts(ex, s, dw);
  weight_gradient(ex, s, dy, input, kept.data(), parts);
  if (g == nullptr) return add_parts(ex, parts.filters());
  data_gradient(ex, s, is_deferred ? kept.data() : dy.g, input, w, added, g, sums, coefficients,
                parts.filters());
}

}  // namespace

void norm_conv2d_backward(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                          const ConvInput& input, const float* w, const float* added, float* g,
                          float* sums, float* dw, const BatchNormCoefficients* coefficients) {
  check(s);
  const bool tensor_cores = ex.precision != Precision::fp32 && has_tensor_cores(ex.device);
  const auto plan = choose_conv2d_fused_backward(s, tensor_cores);
  if (plan && fused_backward_fits(ex, s, *plan)) {
    fused_backward(ex, s, *plan, dy, input, w, added, g, sums, dw, coefficients);
  } else {
    backward_in_halves(ex, s, dy, input, w, added, g, sums, dw, coefficients);
  }
}

}  // namespace trifold::kernels::cuda
