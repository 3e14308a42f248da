/// Batch normalisation at the shapes of CIFAR ResNets and DenseNets, batch 128. Arguments: rows,
/// channels. The traffic counts each read of each pass: 3 arrays for train, 5 for backward (7
/// behind a ReLU), 2 for eval.
#include <vector>

#include "bench/bandwidth.h"
#include "kernels/batch_norm.h"

namespace trifold {
namespace {

using namespace bench;
using kernels::Activation;

struct Parameters {
  explicit Parameters(std::int64_t channels)
      : ones(static_cast<std::size_t>(channels), 1.0f), mean(ones), inv_std(ones), out(ones) {}
  std::vector<float> ones, mean, inv_std, out;
};

void train(benchmark::State& state, Activation act) {
  const kernels::BatchNormShape s{state.range(0), state.range(1)};
  Ring ring(s.rows * s.channels);
  Parameters p(s.channels);
  for (auto _ : state) {
    const float* x = ring.next();
    kernels::batch_norm_train(all_threads(), s, x, p.ones.data(), p.ones.data(), 1e-5f, 0.1f,
                              nullptr, act, ring.next(), p.mean.data(), p.inv_std.data(), nullptr,
                              nullptr);
  }
  report_traffic(state, 3.0 * static_cast<double>(s.rows * s.channels));
}

void eval(benchmark::State& state, Activation act) {
  const kernels::BatchNormShape s{state.range(0), state.range(1)};
  Ring ring(s.rows * s.channels);
  Parameters p(s.channels);
  for (auto _ : state) {
    const float* x = ring.next();
    kernels::batch_norm_eval(all_threads(), s, x, p.ones.data(), p.ones.data(), p.ones.data(),
                             p.ones.data(), 1e-5f, nullptr, act, ring.next());
  }
  report_traffic(state, 2.0 * static_cast<double>(s.rows * s.channels));
}

void backward(benchmark::State& state, Activation act) {
  const kernels::BatchNormShape s{state.range(0), state.range(1)};
  Ring ring(s.rows * s.channels);
  Parameters p(s.channels);
  for (auto _ : state) {
    const float *x = ring.next(), *y = ring.next(), *dy = ring.next();
    kernels::batch_norm_backward(all_threads(), s, x, y, p.mean.data(), p.inv_std.data(),
                                 p.ones.data(), act, dy, ring.next(), p.out.data(), p.out.data(),
                                 nullptr);
  }
  const double arrays = act == Activation::relu ? 7 : 5;
  report_traffic(state, arrays * static_cast<double>(s.rows * s.channels));
}

void shapes(benchmark::internal::Benchmark* b) {
  for (const std::int64_t c : {5, 12, 16, 23, 45, 64}) b->Args({128 * 32 * 32, c});
  b->Args({128 * 8 * 8, 64})->Args({32 * 7 * 7, 2048})->UseRealTime();
}

BENCHMARK_CAPTURE(train, relu, Activation::relu)->Apply(shapes);
BENCHMARK_CAPTURE(eval, relu, Activation::relu)->Apply(shapes);
BENCHMARK_CAPTURE(backward, plain, Activation::none)->Apply(shapes);
BENCHMARK_CAPTURE(backward, relu, Activation::relu)->Apply(shapes);

}  // namespace
}  // namespace trifold

BENCHMARK_MAIN();
