/// The small ops at the shapes of CIFAR nets, batch 128. The traffic counts every array that an op
/// reads or writes once; GB/s beside the memory's own.
#include <vector>

#include "bench/bandwidth.h"
#include "kernels/channel_gather.h"
#include "kernels/concat.h"
#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/pool.h"
#include "kernels/resize.h"
#include "kernels/softmax_cross_entropy.h"

namespace trifold {
namespace {

using namespace bench;

void add(benchmark::State& state) {
  const std::int64_t count = state.range(0);
  Ring ring(count);
  for (auto _ : state) {
    const float *a = ring.next(), *b = ring.next();
    kernels::add(all_threads(), count, a, b, ring.next());
  }
  report_traffic(state, 3.0 * static_cast<double>(count));
}
BENCHMARK(add)->Arg(128 * 32 * 32 * 16)->UseRealTime();

void sgd_step(benchmark::State& state) {
  const std::int64_t count = state.range(0);
  Ring ring(count);
  for (auto _ : state) {
    const float* dw = ring.next();
    float* v = ring.next();
    kernels::sgd_step(all_threads(), count, {1e-3f, 0.9f, 5e-4f, 0, true}, dw, v, ring.next());
  }
  report_traffic(state, 5.0 * static_cast<double>(count));
}
BENCHMARK(sgd_step)->Arg(850'000)->Arg(25'000'000)->UseRealTime();

/// One input of a concatenation: `channels` of 168.
void copy_channels(benchmark::State& state, kernels::Write write) {
  const std::int64_t rows = 128 * 32 * 32, channels = state.range(0), wide = 168;
  Ring narrow_ring(rows * channels), wide_ring(rows * wide);
  for (auto _ : state) {
    kernels::copy_channels(all_threads(), {rows, channels, channels, 0, wide, 24}, write,
                           narrow_ring.next(), wide_ring.next());
  }
  report_traffic(state, (write == kernels::Write::overwrite ? 2.0 : 3.0) *
                            static_cast<double>(rows * channels));
}
BENCHMARK_CAPTURE(copy_channels, overwrite, kernels::Write::overwrite)
    ->Arg(12)
    ->Arg(23)
    ->Arg(144)
    ->UseRealTime();
BENCHMARK_CAPTURE(copy_channels, accumulate, kernels::Write::accumulate)->Arg(12)->UseRealTime();

/// Every second, or `range(0)` consecutive of 168 channels.
void channel_gather(benchmark::State& state) {
  std::vector<std::int32_t> source;
  for (std::int32_t j = 0; j < 168; ++j) {
    if (j / state.range(0) % 2 == 0) source.push_back(j);
  }
  const kernels::ChannelGatherShape s{32, 32, 32, 168, static_cast<std::int64_t>(source.size()), 1};
  const std::int64_t pixels = s.n * s.h * s.w;
  Ring x(pixels * s.c), y(pixels * s.k);
  for (auto _ : state) {
    kernels::channel_gather_forward(all_threads(), s, x.next(), source.data(), y.next());
  }
  report_traffic(state, 2.0 * static_cast<double>(pixels * s.k));
}
BENCHMARK(channel_gather)->Arg(1)->Arg(3)->Arg(12)->UseRealTime();

void resize(benchmark::State& state, kernels::ResizeFilter filter) {
  const kernels::ResizeShape s{
      128, state.range(0), state.range(0), state.range(1), state.range(1), state.range(2)};
  const std::int64_t in = s.n * s.src_h * s.src_w * s.c, out = s.n * s.dst_h * s.dst_w * s.c;
  Ring x(in), y(out);
  for (auto _ : state) kernels::resize_forward(all_threads(), s, filter, x.next(), y.next());
  report_traffic(state, static_cast<double>(in + out));
}
BENCHMARK_CAPTURE(resize, plain, kernels::ResizeFilter::plain)->Args({32, 24, 3})->UseRealTime();
BENCHMARK_CAPTURE(resize, antialias, kernels::ResizeFilter::antialias)
    ->Args({32, 24, 3})
    ->Args({224, 192, 3})
    ->Args({32, 24, 64})
    ->UseRealTime();

void max_pool(benchmark::State& state) {
  const kernels::PoolShape s{32, 112, 112, state.range(0), 3, 3, 2, 2, 1, 1};
  const std::int64_t in = s.n * s.h * s.w * s.c, out = s.n * s.p() * s.q() * s.c;
  Ring x(in), y(out);
  std::vector<std::int32_t> argmax(static_cast<std::size_t>(out));
  for (auto _ : state) {
    kernels::max_pool_forward(all_threads(), s, x.next(), y.next(), argmax.data());
    kernels::max_pool_backward(all_threads(), s, y.next(), argmax.data(), x.next());
  }
  report_traffic(state, static_cast<double>(2 * in + 4 * out));
}
BENCHMARK(max_pool)->Arg(64)->Arg(45)->UseRealTime();

void avg_pool(benchmark::State& state) {
  const kernels::PoolShape s{128, 32, 32, state.range(0), 2, 2, 2, 2};
  const std::int64_t in = s.n * s.h * s.w * s.c, out = in / 4;
  Ring x(in), y(out);
  for (auto _ : state) {
    kernels::avg_pool_forward(all_threads(), s, x.next(), y.next());
    kernels::avg_pool_backward(all_threads(), s, y.next(), x.next());
  }
  report_traffic(state, static_cast<double>(2 * in + 2 * out));
}
BENCHMARK(avg_pool)->Arg(12)->Arg(45)->Arg(160)->UseRealTime();

void global_avg_pool(benchmark::State& state) {
  const std::int64_t n = 128, pixels = 64, c = state.range(0);
  Ring x(n * pixels * c), y(n * c);
  for (auto _ : state) {
    kernels::global_avg_pool_forward(all_threads(), n, pixels, c, x.next(), y.next());
  }
  report_traffic(state, static_cast<double>(n * (pixels + 1) * c));
}
BENCHMARK(global_avg_pool)->Arg(64)->Arg(45)->UseRealTime();

void softmax_cross_entropy(benchmark::State& state) {
  const kernels::SoftmaxShape s{128, state.range(0)};
  Ring z(s.n * s.classes);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(s.n), 1);
  std::vector<float> loss(labels.size());
  for (auto _ : state) {
    const float* logits = z.next();
    kernels::softmax_cross_entropy(all_threads(), s, logits, labels.data(), 0.1f, 1.0f / 128,
                                   loss.data(), z.next());
  }
}
BENCHMARK(softmax_cross_entropy)->Arg(10)->Arg(1000)->UseRealTime();

}  // namespace
}  // namespace trifold

BENCHMARK_MAIN();
