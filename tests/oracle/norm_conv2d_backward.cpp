#include "tests/oracle/norm_conv2d_backward.h"

#include <cmath>

#include "tests/oracle/sums.h"

namespace oracle {
namespace {

Sums given(const std::vector<float>& values) {
  Sums sums = zeros(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    add(sums, i, values[i], std::abs(double{values[i]}));
  }
  return sums;
}

}  // namespace

Sums evaluated(const OutputGradient& dy) {
  if (dy.y.empty()) return given(dy.g);
  Sums sums = zeros(dy.g.size());
  for (std::size_t i = 0; i < dy.g.size(); ++i) {
    const std::size_t k = i % dy.mean.size();
    const double tilt = (double{dy.y[i]} - dy.mean[k]) * dy.coefficient[k];
    const double g = dy.g[i], constant = dy.constant[k], scale = dy.scale[k];
    add(sums, i, (g + tilt + constant) * scale,
        (std::abs(g) + std::abs(tilt) + std::abs(constant)) * std::abs(scale));
  }
  return sums;
}

Sums ConvInput::value() const {
  if (!a.empty()) return given(a);
  return norm != nullptr ? normalised(*norm, x) : given(x);
}

ConvGradients norm_conv2d_backward(const Conv2dCase& t, const OutputGradient& dy,
                                   const ConvInput& input, const std::vector<float>& w,
                                   const std::vector<float>& added, double rounding) {
  const Sums of_y = evaluated(dy), a = input.value();
  const std::size_t channels = index(t.c);
  ConvGradients result{added.empty() ? zeros(input.x.size()) : given(added), zeros(2 * channels),
                       zeros(w.size()), std::vector<double>(input.x.size(), 0.0),
                       std::vector<double>(2 * channels, 0.0)};
  for_each_product(t, [&](std::int64_t xi, std::int64_t wi, std::int64_t yi) {
    const double gradient = of_y.value[index(yi)], size = of_y.magnitude[index(yi)];
    const double weight = w[index(wi)];
    add(result.g, index(xi), gradient * weight, size * std::abs(weight));
    add(result.dw, index(wi), a.value[index(xi)] * gradient, a.magnitude[index(xi)] * size);
  });
  if (input.norm == nullptr) return result;
  for (std::size_t i = 0; i < input.x.size(); ++i) {
    const std::size_t c = i % channels;
    const double deviation = double{input.x[i]} - input.norm->mean[c];
    const double size = result.g.magnitude[i];
    if (input.norm->relu) {
      double open = a.value[i];
      if (input.a.empty()) {  // before the ReLU
        open = (double{input.x[i]} - input.norm->mean[c]) * input.norm->scale[c] +
               input.norm->shift[c];
        if (std::abs(open) <= rounding * a.magnitude[i]) {
          result.uncertainty_of_g[i] = size;
          result.uncertainty_of_sums[c] += size;
          result.uncertainty_of_sums[channels + c] += size * std::abs(deviation);
        }
      }
      if (!(open > 0)) result.g.value[i] = 0;
    }
    const double g = result.g.value[i];
    add(result.sums, c, g, size);
    add(result.sums, channels + c, g * deviation, size * std::abs(deviation));
  }
  return result;
}

}  // namespace oracle
