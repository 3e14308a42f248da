#include "kernels/conv2d.h"

#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/cpu/conv2d/passes.h"
#include "kernels/cpu/conv2d/winograd.h"
#include "kernels/cpu/scratch.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {

Correlation forward_correlation(const Conv2dShape& s) {
  return {.n = s.n,
          .h = s.h,
          .w = s.w,
          .c = s.c,
          .k = s.k,
          .r = s.r,
          .s = s.s,
          .stride_h = s.stride_h,
          .stride_w = s.stride_w,
          .pad_top = s.pad_h,
          .pad_left = s.pad_w,
          .p = s.p(),
          .q = s.q(),
          .y_image = s.p() * s.q() * s.k,
          .y_row = s.q() * s.k,
          .y_pixel = s.k};
}

void forward_pass(const Exec& ex, const Conv2dShape& s, const Operand& operand, const float* w,
                  const Epilogue& epilogue, float* y) {
  thread_local Scratch scratch;
  float* const packed = scratch.floats(cpu::conv2d_packing(ex, s).floats);
  cpu::conv2d_pack(ex, s, w, packed);
  packed_forward_pass(ex, s, operand, packed, epilogue, y);
}

void packed_forward_pass(const Exec& ex, const Conv2dShape& s, const Operand& operand,
                         const float* packed, const Epilogue& epilogue, float* y) {
  if (conv2d_algorithm(s, Conv2dPass::forward) == Conv2dAlgorithm::winograd) {
    winograd_correlate(ex, forward_correlation(s), operand, packed, epilogue, y);
  } else {
    correlate(ex, register_tiles(), forward_correlation(s), operand, packed, epilogue, y);
  }
}

void conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  check(s);
  forward_pass(ex, s, {x, s.c}, w, {.b = b}, y);
}

// A form is an algorithm for one instruction set.
Conv2dPacking conv2d_packing(const Exec&, const Conv2dShape& s) {
  const Conv2dAlgorithm algorithm = conv2d_algorithm(s, Conv2dPass::forward);
  const std::int64_t filters = Panels{s.k, register_tiles().lanes}.padded();
  return {.form = 2 * static_cast<std::int32_t>(active_instruction_set()) +
                  (algorithm == Conv2dAlgorithm::winograd ? 1 : 0),
          .floats = algorithm == Conv2dAlgorithm::winograd ? winograd_weight_floats(s.c, s.k)
                                                           : s.r * s.s * s.c * filters};
}

void conv2d_pack(const Exec& ex, const Conv2dShape& s, const float* w, float* packed) {
  check(s);
  if (conv2d_algorithm(s, Conv2dPass::forward) == Conv2dAlgorithm::winograd) {
    winograd_transform_weights(ex, s.c, s.k,
                               {.w = w, .tap = s.c * s.k, .channel = s.k, .filter = 1}, packed);
    return;
  }
  pack_panels(
      ex, Panels{s.k, register_tiles().lanes}, s.r * s.s * s.c, 1,
      [&](std::int64_t j) { return w + j * s.k; }, packed);
}

void conv2d_packed_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                           const InputNorm* norm, const float* packed, const float* b,
                           const float* residual, Activation act, float* y) {
  check(s);
  const std::int64_t pitch = norm != nullptr ? pitch_of(*norm, s) : s.c;
  packed_forward_pass(ex, s, {x, pitch, norm}, packed,
                      {.b = b, .addend = residual, .relu = act == Activation::relu}, y);
}

}  // namespace trifold::kernels::cpu
