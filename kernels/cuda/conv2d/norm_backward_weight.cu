#include "kernels/cuda/conv2d/backward_weight.cuh"
#include "kernels/cuda/conv2d/norm_backward.cuh"

namespace trifold::kernels::cuda {
namespace {

constexpr const char* name = "norm_conv2d_backward_weight";

/// a as it is stored, or as it is formed of x.
template <class Gradient>
void weight_gradient_of(const Exec& ex, const Conv2dShape& s, const ConvInput& input,
                        const Gradient& gradient, float* dw) {
  if (input.norm != nullptr && input.a == nullptr) {
    const InputNorm& norm = *input.norm;
    backward_weight(ex, name, s, input.x, has_vectors(norm, s, input.x), norm_of(norm, s), gradient,
                    dw);
  } else {
    const float* a = input.norm != nullptr ? input.a : input.x;
    backward_weight(ex, name, s, a, is_vector(a, s.c), NoNorm(), gradient, dw);
  }
}

}  // namespace

void weight_gradient(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                     const ConvInput& input, float* formed, float* dw) {
  if (dy.y == nullptr) {
    weight_gradient_of(ex, s, input, GivenGradient{dy.g, is_vector(dy.g, s.k)}, dw);
    return;
  }
  const bool vectors =
      is_vector(dy.g, s.k) && aligned({dy.y, dy.mean, dy.scale, dy.slope, dy.offset, formed});
  weight_gradient_of(
      ex, s, input,
      FormedGradient{dy.g, dy.y, {dy.mean, dy.scale, dy.slope, dy.offset}, formed, vectors}, dw);
}

}  // namespace trifold::kernels::cuda
