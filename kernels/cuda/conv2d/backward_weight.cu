#include "kernels/cuda/conv2d/backward_weight.cuh"

#include "kernels/cuda/column_sums.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {

void conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  const WeightParts parts(ex, s, dw);
  backward_weight(ex, "conv2d_backward_weight", s, x, is_vector(x, s.c), NoNorm(),
                  StoredGradient{dy, is_vector(dy, s.k)}, parts);
  add_parts(ex, parts.filters());
  if (db != nullptr) column_sums(ex, s.n * s.p() * s.q(), s.k, dy, db);
}

}  // namespace trifold::kernels::cuda
