/// Batch norm, ReLU and convolution as one op, beside the steps that it stands for. Both take the
/// statistics of one array and normalise one, forward; backward they end with the gradients of all
/// parameters and of the batch norm's input. The work of both is that of the one op.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_check.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/batch_norm.h"
#include "kernels/norm_conv2d.h"

namespace trifold::bench {
namespace {

using kernels::Activation;
using kernels::Conv2dShape;
using kernels::Exec;

enum class Method { fused, steps };

/// The shape, and the arrays of a size that caches hold.
struct Layer {
  explicit Layer(const Conv2dShape& shape)
      : s(shape),
        rows{s.n * s.h * s.w, s.c},
        w(noise(s.w_size(), 1)),
        dw(w),
        mean(noise(s.c, 2)),
        scale(noise(s.c, 3)),
        shift(noise(s.c, 4)),
        inv_std(static_cast<std::size_t>(s.c), 1.0f),
        statistics(static_cast<std::size_t>(3 * std::max(s.c, s.k))),
        sums(static_cast<std::size_t>(2 * s.c)),
        dgamma(mean),
        dbeta(mean) {}

  kernels::InputNorm norm() const {
    return {mean.data(), scale.data(), shift.data(), Activation::relu};
  }

  /// a = norm(x), in double precision and rounded.
  std::vector<float> normalised(const float* x) const {
    std::vector<float> a(static_cast<std::size_t>(s.x_size()));
    for (std::size_t i = 0; i < a.size(); ++i) {
      const std::size_t c = i % static_cast<std::size_t>(s.c);
      const double deviation = static_cast<double>(x[i]) - static_cast<double>(mean[c]);
      const double value =
          deviation * static_cast<double>(scale[c]) + static_cast<double>(shift[c]);
      a[i] = static_cast<float>(std::max(value, 0.0));
    }
    return a;
  }

  Conv2dShape s;
  kernels::BatchNormShape rows;
  std::vector<float> w, dw, mean, scale, shift, inv_std, statistics, sums, dgamma, dbeta;
};

void forward(const Exec& ex, Method method, Layer& l, const float* x, float* y) {
  const kernels::InputNorm norm = l.norm();
  if (method == Method::fused) {
    kernels::norm_conv2d_forward(ex, l.s, x, &norm, l.w.data(), y, l.statistics.data());
    return;
  }
  float* const a = cold_output(l.s.x_size());
  kernels::batch_norm_statistics(ex, l.rows, x, l.statistics.data());
  kernels::batch_norm_apply(ex, l.rows, x, norm.mean, norm.scale, norm.shift, nullptr, norm.act, a);
  kernels::conv2d_forward(ex, l.s, a, l.w.data(), nullptr, y);
}

// `a` is what forward kept; only the steps need it.
void backward_to_convolution(const Exec& ex, Method method, Layer& l, const float* x,
                             const float* a, const float* dy, float* g) {
  const kernels::InputNorm norm = l.norm();
  if (method == Method::fused) {
    kernels::norm_conv2d_backward(ex, l.s, {dy}, {x, &norm}, l.w.data(), nullptr, g, l.sums.data(),
                                  l.dw.data());
  } else {
    kernels::conv2d_backward_weight(ex, l.s, a, dy, l.dw.data(), nullptr);
    kernels::conv2d_backward_data(ex, l.s, dy, l.w.data(), kernels::Write::overwrite, g);
  }
}

void backward_to_batch_norm(const Exec& ex, Method method, Layer& l, const float* x, const float* a,
                            float* g) {
  if (method == Method::fused) {
    kernels::batch_norm_gradient(ex, l.rows, x, l.mean.data(), l.inv_std.data(), l.scale.data(), g,
                                 l.sums.data(), kernels::Write::overwrite, g, l.dgamma.data(),
                                 l.dbeta.data());
  } else {
    kernels::batch_norm_backward(ex, l.rows, x, a, l.mean.data(), l.inv_std.data(), l.scale.data(),
                                 Activation::relu, g, g, l.dgamma.data(), l.dbeta.data(), nullptr);
  }
}

Prepare forward_row(const std::string& what, const Conv2dShape& s, Method method) {
  return [=](const Exec& ex) {
    const auto layer = std::make_shared<Layer>(s);
    const float* const x = cold_input(s.x_size());
    float* const y = cold_output(s.y_size());
    forward(ex, method, *layer, x, y);
    const std::vector<float> a = layer->normalised(x);
    check_conv2d(what, s, Pass::forward, {a.data(), layer->w.data(), y});
    return [=] { forward(ex, method, *layer, cold_input(s.x_size()), cold_output(s.y_size())); };
  };
}

Prepare backward_row(const std::string& what, const Conv2dShape& s, Method method) {
  return [=](const Exec& ex) {
    const auto layer = std::make_shared<Layer>(s);
    const float *x = cold_input(s.x_size()), *dy = cold_input(s.y_size());
    const std::vector<float> kept = layer->normalised(x);
    float* const g = cold_output(s.x_size());
    backward_to_convolution(ex, method, *layer, x, kept.data(), dy, g);
    check_conv2d(what + ", weights", s, Pass::backward_weight, {kept.data(), dy, layer->dw.data()});
    // The steps' ReLU mask is in the batch norm.
    check_conv2d(what + ", data", s, Pass::backward_data, {dy, layer->w.data(), g},
                 method == Method::fused ? kept.data() : nullptr);
    return [=] {
      const float *cold_x = cold_input(s.x_size()), *a = cold_input(s.x_size());
      float* const gradient = cold_output(s.x_size());
      backward_to_convolution(ex, method, *layer, cold_x, a, cold_input(s.y_size()), gradient);
      backward_to_batch_norm(ex, method, *layer, cold_x, a, gradient);
    };
  };
}

/// The passes of two convolutions, and a batch norm's gradient, which reads x and g and writes dx.
Work backward_work(const Conv2dShape& s) {
  const Work one = conv2d_work(s, Pass::forward);
  return {2 * one.flops, 2 * one.bytes + traffic(3 * s.x_size()).bytes};
}

void add_layer(const Suite& suite, std::int64_t n, std::int64_t side, std::int64_t c,
               std::int64_t k, std::int64_t window) {
  const Conv2dShape s{.n = n,
                      .h = side,
                      .w = side,
                      .c = c,
                      .k = k,
                      .r = window,
                      .s = window,
                      .pad_h = window / 2,
                      .pad_w = window / 2};
  const std::string shape = conv2d_name(s);
  for (const bool is_forward : {true, false}) {
    const std::string op = is_forward ? "norm_conv2d_forward" : "norm_conv2d_backward";
    std::vector<Timed> rows;
    for (const Method method : {Method::fused, Method::steps}) {
      const std::string variant = method == Method::fused ? "fused" : "steps";
      const std::string what = fmt::format("{}/{}, {}", op, shape, variant);
      rows.push_back(
          {{op, shape, variant, is_forward ? conv2d_work(s, Pass::forward) : backward_work(s)},
           is_forward ? forward_row(what, s, method) : backward_row(what, s, method)});
    }
    suite.add(rows);
  }
}

}  // namespace

void add_norm_conv2d_rows(const Suite& suite) {
  for (const std::int64_t n : {1, 128}) {  // ResNets for small images
    add_layer(suite, n, 32, 16, 16, 3);
    add_layer(suite, n, 16, 32, 32, 3);
    add_layer(suite, n, 8, 64, 64, 3);
  }
  add_layer(suite, 128, 32, 96, 12, 3);  // DenseNets
  add_layer(suite, 128, 8, 444, 12, 3);
  add_layer(suite, 128, 32, 168, 168, 1);
  add_layer(suite, 128, 32, 96, 48, 1);
  add_layer(suite, 128, 32, 11, 11, 3);  // pruned
  add_layer(suite, 128, 16, 45, 23, 3);
  add_layer(suite, 16, 56, 64, 64, 3);  // ResNets for large images
  add_layer(suite, 16, 56, 64, 256, 1);
}

}  // namespace trifold::bench
