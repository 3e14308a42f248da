#include "tests/oracle/norm_conv2d.h"

#include <cmath>

#include "tests/oracle/sums.h"

namespace oracle {
Sums normalised(const InputNorm& norm, const std::vector<float>& x) {
  Sums a = zeros(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % norm.mean.size();
    const double scaled = (double{x[i]} - norm.mean[c]) * norm.scale[c], shift = norm.shift[c];
    const double value = scaled + shift;
    add(a, i, norm.relu && value < 0 ? 0 : value, std::abs(scaled) + std::abs(shift));
  }
  return a;
}

Sums norm_conv2d_forward(const Conv2dCase& t, const InputNorm& norm, const std::vector<float>& x,
                         const std::vector<float>& w) {
  const Sums a = normalised(norm, x);
  Sums y = zeros(index(t.n * t.p() * t.q() * t.k));
  for_each_product(t, [&](std::int64_t xi, std::int64_t wi, std::int64_t yi) {
    const double weight = w[index(wi)];
    add(y, index(yi), a.value[index(xi)] * weight, a.magnitude[index(xi)] * std::abs(weight));
  });
  return y;
}

NormGradient norm_conv2d_backward_data(const Conv2dCase& t, const InputNorm& norm,
                                       const std::vector<float>& dy, const std::vector<float>& w,
                                       const std::vector<float>& x) {
  const Sums a = normalised(norm, x);
  const std::size_t channels = norm.mean.size();
  NormGradient result{zeros(x.size()), zeros(2 * channels)};
  for_each_product(t, [&](std::int64_t xi, std::int64_t wi, std::int64_t yi) {
    const double term = double{dy[index(yi)]} * w[index(wi)];
    add(result.g, index(xi), term, std::abs(term));
  });
  for (std::size_t i = 0; i < x.size(); ++i) {
    double& g = result.g.value[i];
    if (norm.relu && a.value[i] <= 0) g = 0;
    const std::size_t c = i % channels;
    const double deviation = double{x[i]} - norm.mean[c], size = result.g.magnitude[i];
    add(result.sums, c, g, size);
    add(result.sums, channels + c, g * deviation, size * std::abs(deviation));
  }
  return result;
}

Sums norm_conv2d_backward_weight(const Conv2dCase& t, const InputNorm& norm,
                                 const std::vector<float>& x, const std::vector<float>& dy) {
  const Sums a = normalised(norm, x);
  Sums dw = zeros(index(t.r * t.s * t.c * t.k));
  for_each_product(t, [&](std::int64_t xi, std::int64_t wi, std::int64_t yi) {
    const double gradient = dy[index(yi)];
    add(dw, index(wi), a.value[index(xi)] * gradient, a.magnitude[index(xi)] * std::abs(gradient));
  });
  return dw;
}

}  // namespace oracle
