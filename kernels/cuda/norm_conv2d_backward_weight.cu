#include "kernels/backends.h"
#include "kernels/cuda/conv2d_backward_weight.cuh"

namespace trifold::kernels::cuda {

void norm_conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x,
                                 const InputNorm& norm, const float* dy, float* dw) {
  check(s);
  backward_weight(ex, "norm_conv2d_backward_weight", s, x, has_vectors(norm, s, x),
                  norm_of(norm, s), dy, dw);
}

}  // namespace trifold::kernels::cuda
