#include "kernels/cuda/conv2d/fused_backward.cuh"

#include "kernels/cuda/conv2d/backward_sums.h"
#include "kernels/cuda/conv2d/fused_backward.h"
#include "kernels/cuda/conv2d/launch.cuh"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda {
namespace {

FusedGradient gradient_of(const OutputGradient& dy, const Conv2dShape& s) {
  return {dy.g,
          dy.y,
          {dy.mean, dy.scale, dy.coefficient, dy.constant},
          is_vector(dy.g, s.k) && aligned({dy.y, dy.mean, dy.scale, dy.coefficient, dy.constant})};
}

FusedInput input_of(const ConvInput& input, const Conv2dShape& s, const float* added,
                    const float* g) {
  const bool vectors = is_vector(input.x, s.c) && aligned({input.a, added, g});
  if (input.norm == nullptr) {
    return {input.x, nullptr, {.factors = {}, .relu = false, .pitch = to_int(s.c)}, false, vectors};
  }
  return {input.x, input.a, norm_of(*input.norm, s), true,
          vectors && has_vectors(*input.norm, s, input.x)};
}

/// Calls body(math, tile) for the kernel that works the plan.
template <class Body>
void with_fused_kernel(const Exec& ex, const Conv2dFusedBackward& plan, const Body& body) {
  with_math(ex, [&](auto math) { with_fused_tile(plan, [&](auto tile) { body(math, tile); }); });
}

template <class Math, class Tile>
std::int64_t dynamic_bytes(const Conv2dShape& s) {
  return FusedLayout<typename Math::Element, Tile>::bytes(s.r * s.s);
}

}  // namespace

bool fused_backward_fits(const Exec& ex, const Conv2dShape& s, const Conv2dFusedBackward& plan) {
  int limit = 0;
  TRIFOLD_CUDA_CHECK(
      cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, ex.device.index));
  std::int64_t bytes = 0;
  with_fused_kernel(ex, plan, [&](auto math, auto tile) {
    using Tile = decltype(tile);
    bytes = dynamic_bytes<decltype(math), Tile>(s) + fused_static_bytes<Tile>;
  });
  return bytes <= limit;
}

void fused_backward(const Exec& ex, const Conv2dShape& s, const Conv2dFusedBackward& plan,
                    const OutputGradient& dy, const ConvInput& input, const float* w,
                    const float* added, float* g, float* sums, float* dw,
                    const BatchNormCoefficients* coefficients) {
  const Conv2dExtents e = checked_extents(s);
  const std::int64_t filters = s.w_size(),
                     squares = s.n * div_up(s.h, conv2d_square) * div_up(s.w, conv2d_square);
  const Scratch<float> filter_parts(ex, plan.parts > 1 ? plan.parts * filters : 0);
  const Scratch<float> sum_parts(ex, sums != nullptr ? plan.parts * 2 * s.c : 0);
  FusedBackward n{.dy = gradient_of(dy, s),
                  .input = input_of(input, s, added, g),
                  .w = w,
                  .w_vectors = is_vector(w, s.k),
                  .dw_vectors = is_vector(dw, s.k),
                  .added = added,
                  .g = g,
                  .sums = sum_parts.data(),
                  .dw = plan.parts > 1 ? filter_parts.data() : dw,
                  .tiles = to_int(div_up(squares, conv2d_fused_squares(plan.filters))),
                  .tiles_per_part = to_int(plan.tiles_per_part)};
  with_fused_kernel(ex, plan, [&](auto math, auto tile) {
    using Math = decltype(math);
    using Tile = decltype(tile);
    launch_with(dynamic_bytes<Math, Tile>(s), ex, "norm_conv2d_backward",
                fused_backward_kernel<Math, Tile>, grid_extent(div_up(s.c, Tile::c) * plan.parts),
                Tile::threads, e, n);
  });
  const FilterParts parts{filter_parts.data(), plan.parts, filters, dw};
  if (sums == nullptr) return add_parts(ex, parts);
  add_parts(ex, parts, {sum_parts.data(), plan.parts, {s.n * s.h * s.w, s.c}, sums, coefficients});
}

}  // namespace trifold::kernels::cuda
