#include "kernels/cuda/conv2d/backward_weight.cuh"
#include "kernels/cuda/conv2d/norm_backward.cuh"

namespace trifold::kernels::cuda {
namespace {

constexpr const char* name = "norm_conv2d_backward_weight";

/// a as it is stored, or norm(x).
template <class Gradient>
void weight_gradient_of(const Exec& ex, const Conv2dShape& s, const ConvInput& input,
                        const Gradient& gradient, const WeightParts& parts) {
  if (input.norm != nullptr && input.a == nullptr) {
    const InputNorm& norm = *input.norm;
    backward_weight(ex, name, s, input.x, has_vectors(norm, s, input.x), norm_of(norm, s), gradient,
                    parts);
  } else {
    const float* a = input.norm != nullptr ? input.a : input.x;
    backward_weight(ex, name, s, a, is_vector(a, s.c), NoNorm(), gradient, parts);
  }
}

}  // namespace

void weight_gradient(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                     const ConvInput& input, float* stored_dy, const WeightParts& parts) {
  if (dy.y == nullptr) {
    weight_gradient_of(ex, s, input, StoredGradient{dy.g, is_vector(dy.g, s.k)}, parts);
    return;
  }
  const bool vectors = is_vector(dy.g, s.k) &&
                       aligned({dy.y, dy.mean, dy.scale, dy.coefficient, dy.constant, stored_dy});
  weight_gradient_of(
      ex, s, input,
      DeferredGradient{
          dy.g, dy.y, {dy.mean, dy.scale, dy.coefficient, dy.constant}, stored_dy, vectors},
      parts);
}

}  // namespace trifold::kernels::cuda
