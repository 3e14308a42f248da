/// Batch norm, ReLU and convolution as one op beside the ops that it stands for, at the shapes of
/// CIFAR networks, batch 128. Arguments: side, channels, filters, window. Both ways take the
/// statistics of one array and normalise one, forward; backward they end with the gradients of all
/// parameters and of the batch norm's input.
#include <vector>

#include "bench/bandwidth.h"
#include "kernels/batch_norm.h"
#include "kernels/norm_conv2d.h"

namespace trifold {
namespace {

using namespace bench;
using kernels::Activation;

enum class Way { fused, steps };

/// The shape, and the arrays of a size that caches hold.
struct Layer {
  kernels::Conv2dShape s;
  kernels::BatchNormShape rows;
  std::vector<float> w, dw, mean, scale, shift, inv_std, moments, sums, dgamma, dbeta;

  explicit Layer(const benchmark::State& state)
      : s{.n = 128,
          .h = state.range(0),
          .w = state.range(0),
          .c = state.range(1),
          .k = state.range(2),
          .r = state.range(3),
          .s = state.range(3),
          .pad_h = state.range(3) / 2,
          .pad_w = state.range(3) / 2},
        rows{s.n * s.h * s.w, s.c},
        w(floats(s.w_size(), 0.01f)),
        dw(w),
        mean(floats(s.c, 0.1f)),
        scale(floats(s.c, 0.9f)),
        shift(mean),
        inv_std(scale),
        moments(floats(3 * std::max(s.c, s.k), 0.0f)),
        sums(floats(2 * s.c, 0.0f)),
        dgamma(mean),
        dbeta(mean) {}

  static std::vector<float> floats(std::int64_t count, float value) {
    return std::vector<float>(static_cast<std::size_t>(count), value);
  }
  kernels::InputNorm norm() const {
    return {mean.data(), scale.data(), shift.data(), Activation::relu};
  }
};

/// Multiply-adds a second, of the convolutions alone.
void report(benchmark::State& state, const Layer& l, double convolutions) {
  const double products = static_cast<double>(l.s.y_size() * l.s.r * l.s.s * l.s.c) * convolutions;
  state.counters["MACs"] =
      benchmark::Counter(products, benchmark::Counter::kIsIterationInvariantRate);
}

void forward(benchmark::State& state, Way way) {
  Layer l(state);
  Ring inputs(l.s.x_size()), outputs(l.s.y_size());
  const kernels::InputNorm norm = l.norm();
  for (auto _ : state) {
    const float* x = inputs.next();
    if (way == Way::fused) {
      kernels::norm_conv2d_forward(all_threads(), l.s, x, &norm, l.w.data(), outputs.next(),
                                   l.moments.data());
    } else {
      float* const a = inputs.next();
      kernels::batch_norm_moments(all_threads(), l.rows, x, l.moments.data());
      kernels::batch_norm_apply(all_threads(), l.rows, x, norm.mean, norm.scale, norm.shift,
                                nullptr, norm.act, a);
      kernels::conv2d_forward(all_threads(), l.s, a, l.w.data(), nullptr, outputs.next());
    }
  }
  report(state, l, 1);
}

void backward(benchmark::State& state, Way way) {
  Layer l(state);
  Ring inputs(l.s.x_size()), outputs(l.s.y_size());
  const kernels::InputNorm norm = l.norm();
  for (auto _ : state) {
    const float *x = inputs.next(), *dy = outputs.next();
    float* const g = inputs.next();
    if (way == Way::fused) {
      kernels::norm_conv2d_backward_weight(all_threads(), l.s, x, norm, dy, l.dw.data());
      kernels::norm_conv2d_backward_data(all_threads(), l.s, dy, l.w.data(), x, norm, g,
                                         l.sums.data());
      kernels::batch_norm_gradient(all_threads(), l.rows, x, norm.mean, l.inv_std.data(),
                                   l.scale.data(), g, l.sums.data(), kernels::Write::overwrite, g,
                                   l.dgamma.data(), l.dbeta.data());
    } else {
      const float* a = inputs.next();
      kernels::conv2d_backward_weight(all_threads(), l.s, a, dy, l.dw.data(), nullptr);
      kernels::conv2d_backward_data(all_threads(), l.s, dy, l.w.data(), kernels::Write::overwrite,
                                    g);
      kernels::batch_norm_backward(all_threads(), l.rows, x, a, norm.mean, l.inv_std.data(),
                                   l.scale.data(), norm.act, g, g, l.dgamma.data(), l.dbeta.data(),
                                   nullptr);
    }
  }
  report(state, l, 2);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->Args({32, 16, 16, 3})->Args({16, 32, 32, 3})->Args({8, 64, 64, 3});   // ResNets
  b->Args({32, 96, 12, 3})->Args({32, 96, 48, 1})->Args({16, 45, 23, 3});  // DenseNets, pruned
  b->UseRealTime();
}

BENCHMARK_CAPTURE(forward, fused, Way::fused)->Apply(shapes);
BENCHMARK_CAPTURE(forward, steps, Way::steps)->Apply(shapes);
BENCHMARK_CAPTURE(backward, fused, Way::fused)->Apply(shapes);
BENCHMARK_CAPTURE(backward, steps, Way::steps)->Apply(shapes);

}  // namespace
}  // namespace trifold

BENCHMARK_MAIN();
