#include "kernels/backends.h"
#include "kernels/cuda/conv2d_backward_weight.cuh"

namespace trifold::kernels::cuda {

void norm_conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x,
                                 const InputNorm& norm, const float* dy, float* dw) {
  backward_weight(ex, "norm_conv2d_backward_weight", s, x, is_vector(x, s.c) && has_vectors(norm),
                  norm_of(norm), dy, dw);
}

}  // namespace trifold::kernels::cuda
