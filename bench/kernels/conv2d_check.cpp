#include "bench/kernels/conv2d_check.h"

#include <cmath>
#include <random>

#include "kernels/runtime/error.h"

namespace trifold::bench {
namespace {

using kernels::Conv2dShape;

struct Sum {
  double value = 0, squares = 0;

  void add(float a, float b) {
    const double term = static_cast<double>(a) * static_cast<double>(b);
    value += term;
    squares += term * term;
  }
};

// The pixel of x that tap (r, s) of the output pixel (n, p, q) reads, or -1 in the padding.
std::int64_t pixel_of(const Conv2dShape& t, std::int64_t n, std::int64_t p, std::int64_t q,
                      std::int64_t r, std::int64_t s) {
  const std::int64_t i = p * t.stride_h - t.pad_h + r, j = q * t.stride_w - t.pad_w + s;
  return i < 0 || i >= t.h || j < 0 || j >= t.w ? -1 : (n * t.h + i) * t.w + j;
}

Sum forward(const Conv2dShape& t, const float* x, const float* w, std::int64_t at) {
  const std::int64_t k = at % t.k, q = at / t.k % t.q(), p = at / t.k / t.q() % t.p();
  const std::int64_t n = at / t.k / t.q() / t.p();
  Sum sum;
  for (std::int64_t r = 0; r < t.r; ++r) {
    for (std::int64_t s = 0; s < t.s; ++s) {
      const std::int64_t pixel = pixel_of(t, n, p, q, r, s);
      for (std::int64_t c = 0; pixel >= 0 && c < t.c; ++c) {
        sum.add(x[pixel * t.c + c], w[((r * t.s + s) * t.c + c) * t.k + k]);
      }
    }
  }
  return sum;
}

Sum backward_data(const Conv2dShape& t, const float* dy, const float* w, std::int64_t at) {
  const std::int64_t c = at % t.c, j = at / t.c % t.w, i = at / t.c / t.w % t.h;
  const std::int64_t n = at / t.c / t.w / t.h;
  Sum sum;
  for (std::int64_t r = 0; r < t.r; ++r) {
    for (std::int64_t s = 0; s < t.s; ++s) {
      const std::int64_t down = i + t.pad_h - r, right = j + t.pad_w - s;
      if (down < 0 || down % t.stride_h != 0 || right < 0 || right % t.stride_w != 0) continue;
      const std::int64_t p = down / t.stride_h, q = right / t.stride_w;
      if (p >= t.p() || q >= t.q()) continue;
      for (std::int64_t k = 0; k < t.k; ++k) {
        sum.add(dy[((n * t.p() + p) * t.q() + q) * t.k + k],
                w[((r * t.s + s) * t.c + c) * t.k + k]);
      }
    }
  }
  return sum;
}

Sum backward_weight(const Conv2dShape& t, const float* x, const float* dy, std::int64_t at) {
  const std::int64_t k = at % t.k, c = at / t.k % t.c, s = at / t.k / t.c % t.s;
  const std::int64_t r = at / t.k / t.c / t.s;
  Sum sum;
  for (std::int64_t n = 0; n < t.n; ++n) {
    for (std::int64_t p = 0; p < t.p(); ++p) {
      for (std::int64_t q = 0; q < t.q(); ++q) {
        const std::int64_t pixel = pixel_of(t, n, p, q, r, s);
        if (pixel >= 0) sum.add(x[pixel * t.c + c], dy[((n * t.p() + p) * t.q() + q) * t.k + k]);
      }
    }
  }
  return sum;
}

Sum reference(const Conv2dShape& t, Pass pass, const Conv2dArrays& a, std::int64_t at) {
  switch (pass) {
    case Pass::forward:
      return forward(t, a.first, a.second, at);
    case Pass::backward_data:
      return backward_data(t, a.first, a.second, at);
    case Pass::backward_weight:
      return backward_weight(t, a.first, a.second, at);
  }
  throw Error("a pass that is none of the three");
}

}  // namespace

std::int64_t result_size(const Conv2dShape& s, Pass pass) {
  switch (pass) {
    case Pass::forward:
      return s.y_size();
    case Pass::backward_data:
      return s.x_size();
    case Pass::backward_weight:
      return s.w_size();
  }
  throw Error("a pass that is none of the three");
}

void check_conv2d(const std::string& what, const Conv2dShape& s, Pass pass,
                  const Conv2dArrays& arrays, const float* relu_y) {
  constexpr int samples = 16;
  const std::int64_t last = result_size(s, pass) - 1;
  std::mt19937_64 random(1);
  std::uniform_int_distribution<std::int64_t> anywhere(0, last);
  for (int i = 0; i < samples; ++i) {
    const std::int64_t at = i == 0 ? 0 : i == 1 ? last : anywhere(random);
    const bool closed = relu_y != nullptr && relu_y[at] <= 0;
    const Sum sum = closed ? Sum{} : reference(s, pass, arrays, at);
    const auto got = static_cast<double>(arrays.result[at]);
    // Said this way, NaN is a difference.
    require<Error>(std::abs(got - sum.value) <= 1e-3 * std::sqrt(sum.squares),
                   "{} is wrong: element {} is {}, but the reference says {}; see test_kernels",
                   what, at, got, sum.value);
  }
}

}  // namespace trifold::bench
