#include "kernels/cuda/conv2d/forward.cuh"

#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

template <class NormOfInput>
void forward(const Exec& ex, const Conv2dShape& s, const float* x, bool x_vectors, NormOfInput norm,
             const float* w, const PointwiseEpilogue& epilogue, float* y) {
  const Conv2dExtents e = checked_extents(s);
  const std::int64_t rows = s.n * s.p() * s.q();
  with_math(ex, [&](auto math) {
    with_tile(choose_conv2d_tile(rows, s.k), [&](auto tile) {
      using Math = decltype(math);
      using Tile = decltype(tile);
      launch(ex, "conv2d_forward", forward_kernel<Math, Tile, NormOfInput, PointwiseEpilogue>,
             TileIndex<Tile>::grid(rows, s.k), Tile::threads, e, x, x_vectors, norm, w,
             is_vector(w, s.k), epilogue, y, is_vector(y, s.k) && is_vector(epilogue.added, s.k));
    });
  });
}

}  // namespace

void conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  cuda::conv2d_packed_forward(ex, s, x, nullptr, w, b, nullptr, Activation::none, y);
}

// The kernels read weights as they are.
Conv2dPacking conv2d_packing(const Exec&, const Conv2dShape& s) { return {0, s.w_size()}; }

void conv2d_pack(const Exec& ex, const Conv2dShape& s, const float* w, float* packed) {
  cuda::copy_memory(ex.device, packed, ex.device, w,
                    s.w_size() * static_cast<std::int64_t>(sizeof(float)), ex.stream);
}

void conv2d_packed_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                           const InputNorm* norm, const float* w, const float* b,
                           const float* residual, Activation act, float* y) {
  const PointwiseEpilogue epilogue{.bias = b, .added = residual, .relu = act == Activation::relu};
  if (norm == nullptr) {
    forward(ex, s, x, is_vector(x, s.c), NoNorm(), w, epilogue, y);
  } else {
    forward(ex, s, x, has_vectors(*norm, s, x), norm_of(*norm, s), w, epilogue, y);
  }
}

}  // namespace trifold::kernels::cuda
