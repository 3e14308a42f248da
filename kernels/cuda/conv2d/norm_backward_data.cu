#include "kernels/cuda/conv2d/backward_data.cuh"
#include "kernels/cuda/conv2d/norm_backward.cuh"

namespace trifold::kernels::cuda {

void data_gradient(const Exec& ex, const Conv2dShape& s, const float* dy, const ConvInput& input,
                   const float* w, const float* added, float* g, float* sums,
                   const BatchNormCoefficients* coefficients, const FilterParts& filters) {
  if (input.norm == nullptr) {
    backward_data(ex, s, dy, w, added, g);
    add_parts(ex, filters);
    return;
  }
  const InputNorm& norm = *input.norm;
  const PhaseGrid grid(s);
  const std::int64_t tiles = grid.tiles(s);
  const Scratch<float> parts(ex, tiles * 2 * s.c);
  const Norm factors = norm_of(norm, s);
  backward_data(ex, "norm_conv2d_backward_data", s, grid, dy, w,
                GradientEpilogue{.x = input.x,
                                 .x_pitch = factors.pitch,
                                 .factors = factors.factors,
                                 .relu = factors.relu,
                                 .a = input.a,
                                 .added = added,
                                 .parts = parts.data()},
                g, is_vector(g, s.c) && has_vectors(norm, s, input.x) && aligned({input.a, added}));
  add_parts(ex, filters, {parts.data(), tiles, {s.n * s.h * s.w, s.c}, sums, coefficients});
}

}  // namespace trifold::kernels::cuda
