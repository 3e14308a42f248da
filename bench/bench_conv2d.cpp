/// Time of the convolutions over the shape files, beside the multiply-add peak of the same process.
///
///     bench_conv2d [--benchmark_...] [SHAPE_FILE...]
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/conv2d.h"
#include "kernels/cpu/conv2d_tiles.h"
#include "kernels/thread_pool.h"

namespace {

using namespace trifold::kernels;

/// Flop/s of one core: the output tile on operands that never leave the level 1 cache.
double peak_flops() {
  const cpu::Tiles tiles = cpu::tiles();
  constexpr std::int64_t pixels = 24, terms = 128;
  const std::int64_t width = 2 * tiles.lanes;
  const std::vector<float> x(pixels * terms, 1.0f),
      w(static_cast<std::size_t>(terms * width), 1.0f);
  const std::vector<float> b(static_cast<std::size_t>(width), 0.0f);
  std::vector<float> y(static_cast<std::size_t>(pixels * width));
  std::vector<std::int64_t> x_offset, y_offset;
  for (std::int64_t i = 0; i < pixels; ++i) {
    x_offset.push_back(i * terms);
    y_offset.push_back(i * width);
  }
  const cpu::OutputPanel panel{.x = x.data(),
                               .x_offset = x_offset.data(),
                               .runs = 1,
                               .run_length = terms,
                               .run_stride = 0,
                               .w = w.data(),
                               .b = b.data(),
                               .y = y.data(),
                               .y_offset = y_offset.data(),
                               .pixels = pixels,
                               .vectors = 2,
                               .filters = width,
                               .addend = nullptr,
                               .relu = false};
  double best = 0;
  for (int round = 0; round < 200; ++round) {
    constexpr int calls = 100;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) tiles.output(panel);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * static_cast<double>(calls * pixels * terms * width) / time.count());
  }
  return best;
}

std::vector<Conv2dShape> read_shapes(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(fmt::format("{} can't be read; pass a shape file", path));
  std::vector<Conv2dShape> shapes;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    Conv2dShape s{};
    std::istringstream in(line);
    in >> s.n >> s.h >> s.w >> s.c >> s.k >> s.r >> s.s >> s.stride_h >> s.pad_h;
    if (!in) throw std::runtime_error(fmt::format("{}: '{}' is not a shape", path, line));
    s.stride_w = s.stride_h;
    s.pad_w = s.pad_h;
    shapes.push_back(s);
  }
  return shapes;
}

enum class Pass { forward, backward_data, backward_weight };

void measure(benchmark::State& state, Pass pass, const Conv2dShape& s, int threads, double peak) {
  ThreadPool pool(threads);
  const Exec ex{.pool = &pool};
  std::vector<float> x(static_cast<std::size_t>(s.x_size()), 0.5f);
  std::vector<float> w(static_cast<std::size_t>(s.w_size()), 0.5f);
  std::vector<float> b(static_cast<std::size_t>(s.k), 0.5f);
  std::vector<float> y(static_cast<std::size_t>(s.y_size()), 0.5f);
  for ([[maybe_unused]] auto _ : state) {
    if (pass == Pass::forward)
      conv2d_forward(ex, s, x.data(), w.data(), b.data(), y.data());
    else if (pass == Pass::backward_data)
      conv2d_backward_data(ex, s, y.data(), w.data(), Write::overwrite, x.data());
    else
      conv2d_backward_weight(ex, s, x.data(), y.data(), w.data(), b.data());
    benchmark::ClobberMemory();
  }
  // Products with the zeros of the padding count: what a network's cost is quoted as.
  const double flops = 2.0 * static_cast<double>(s.y_size() * s.r * s.s * s.c) *
                       static_cast<double>(state.iterations());
  state.counters["flop/s"] = benchmark::Counter(flops, benchmark::Counter::kIsRate);
  state.counters["of_peak"] =
      benchmark::Counter(flops / (peak * threads), benchmark::Counter::kIsRate);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<std::string> files(argv + 1, argv + argc);
  if (files.empty()) files = {"bench/shapes/conv2d_cifar.txt", "bench/shapes/conv2d_imagenet.txt"};
  const double peak = peak_flops();
  fmt::print("multiply-add peak of one core: {:.1f} Gflop/s\n", peak * 1e-9);
  for (const std::string& file : files)
    for (const Conv2dShape& s : read_shapes(file))
      for (auto [pass, pass_name] :
           {std::pair{Pass::forward, "forward"}, std::pair{Pass::backward_data, "backward_data"},
            std::pair{Pass::backward_weight, "backward_weight"}})
        for (int threads : {1, 2})
          benchmark::RegisterBenchmark(
              fmt::format("conv2d_{}/{}x{}x{}x{}/{}/{}x{}s{}p{}/threads:{}", pass_name, s.n, s.h,
                          s.w, s.c, s.k, s.r, s.s, s.stride_h, s.pad_h, threads)
                  .c_str(),
              [=](benchmark::State& state) { measure(state, pass, s, threads, peak); })
              ->UseRealTime()
              ->Unit(benchmark::kMicrosecond);
  benchmark::RunSpecifiedBenchmarks();
}
