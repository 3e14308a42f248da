#include "kernels/linear.h"

#include "kernels/conv2d.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

/// A fully connected layer is a 1x1 convolution of one-pixel images.
Conv2dShape one_pixel(const LinearShape& s) {
  check(s);
  return {.n = 1, .h = s.n, .w = 1, .c = s.in, .k = s.out, .r = 1, .s = 1};
}

}  // namespace

void linear_forward(const Exec& ex, const LinearShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  cpu::conv2d_forward(ex, one_pixel(s), x, w, b, y);
}

void linear_backward_data(const Exec& ex, const LinearShape& s, const float* dy, const float* w,
                          float* dx) {
  cpu::conv2d_backward_data(ex, one_pixel(s), dy, w, Write::overwrite, dx);
}

void linear_backward_weight(const Exec& ex, const LinearShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  cpu::conv2d_backward_weight(ex, one_pixel(s), x, dy, dw, db);
}

}  // namespace trifold::kernels::cpu
