#include "kernels/norm_conv2d.h"

#include <vector>

#include "kernels/backends.h"

namespace trifold::kernels::cpu {
namespace {

std::vector<float> normalised(const Exec& ex, const Conv2dShape& s, const float* x,
                              const InputNorm& norm) {
  std::vector<float> a(static_cast<std::size_t>(s.x_size()));
  cpu::batch_norm_apply(ex, {s.n * s.h * s.w, s.c}, x, norm.mean, norm.scale, norm.shift, nullptr,
                        norm.act, a.data());
  return a;
}

}  // namespace

void norm_conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                         const InputNorm* norm, const float* w, float* y, float* moments) {
  check(s);
  if (norm == nullptr) {
    cpu::conv2d_forward(ex, s, x, w, nullptr, y);
  } else {
    cpu::conv2d_forward(ex, s, normalised(ex, s, x, *norm).data(), w, nullptr, y);
  }
  if (moments != nullptr) {
    cpu::batch_norm_moments(ex, {s.n * s.p() * s.q(), s.k}, y, moments);
  }
}

void norm_conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy,
                               const float* w, const float* x, const InputNorm& norm, float* g,
                               float* sums) {
  check(s);
  cpu::conv2d_backward_data(ex, s, dy, w, Write::overwrite, g);
  const std::vector<float> a = normalised(ex, s, x, norm);
  std::vector<double> total(static_cast<std::size_t>(2 * s.c), 0.0);
  for (std::int64_t i = 0; i < s.x_size(); ++i) {
    const std::int64_t c = i % s.c;
    if (norm.act == Activation::relu && !(a[static_cast<std::size_t>(i)] > 0)) g[i] = 0;
    total[static_cast<std::size_t>(c)] += g[i];
    total[static_cast<std::size_t>(s.c + c)] += static_cast<double>(g[i]) * (x[i] - norm.mean[c]);
  }
  for (std::int64_t j = 0; j < 2 * s.c; ++j) {
    sums[j] = static_cast<float>(total[static_cast<std::size_t>(j)]);
  }
}

void norm_conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x,
                                 const InputNorm& norm, const float* dy, float* dw) {
  check(s);
  cpu::conv2d_backward_weight(ex, s, normalised(ex, s, x, norm).data(), dy, dw, nullptr);
}

}  // namespace trifold::kernels::cpu
