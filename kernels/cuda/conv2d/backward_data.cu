#include "kernels/cuda/conv2d/backward_data.cuh"

#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {

void backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                   const float* added, float* dx) {
  backward_data(ex, "conv2d_backward_data", s, PhaseGrid(s), dy, w,
                PointwiseEpilogue{.added = added}, dx, is_vector(dx, s.c) && aligned({added}));
}

void conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                          Write write, float* dx) {
  check(s);
  backward_data(ex, s, dy, w, write == Write::accumulate ? dx : nullptr, dx);
}

}  // namespace trifold::kernels::cuda
