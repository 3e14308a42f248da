/// Time of the convolutions over the shape files: each algorithm that a shape can run with, and
/// oneDNN's where it is built in, beside the multiply-add peak measured in the same process.
///
///     bench_conv2d [--benchmark_...] [SHAPE_FILE...]
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/multiply_add_peak.h"
#include "bench/onednn_conv2d.h"
#include "kernels/conv2d.h"
#include "kernels/cpu/conv2d_algorithm.h"
#include "kernels/thread_pool.h"

namespace {

using namespace trifold::kernels;
using cpu::Conv2dAlgorithm;
using trifold::bench::Pass;

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

// Pools and their peaks, each made once.
struct Threads {
  ThreadPool pool;
  double peak;
  explicit Threads(int count) : pool(count), peak(trifold::bench::multiply_add_peak(pool)) {}
};

Threads& threads_of(int count) {
  static std::map<int, std::unique_ptr<Threads>> made;
  std::unique_ptr<Threads>& threads = made[count];
  if (!threads) threads = std::make_unique<Threads>(count);
  return *threads;
}

// Products with the zeros of the padding count, and Winograd's savings don't: a rate above the peak
// says how much arithmetic the algorithm saves.
void measure(benchmark::State& state, const Conv2dShape& s, int threads,
             const std::function<void()>& call) {
  for ([[maybe_unused]] auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  const double flops = 2.0 * static_cast<double>(s.y_size() * s.r * s.s * s.c) *
                       static_cast<double>(state.iterations());
  state.counters["flop/s"] = benchmark::Counter(flops, benchmark::Counter::kIsRate);
  state.counters["of_peak"] =
      benchmark::Counter(flops / threads_of(threads).peak, benchmark::Counter::kIsRate);
}

void measure_ours(benchmark::State& state, Pass pass, Conv2dAlgorithm algorithm,
                  const Conv2dShape& s, int threads) {
  const Exec ex{.pool = &threads_of(threads).pool};
  std::vector<float> x(static_cast<std::size_t>(s.x_size()), 0.5f);
  std::vector<float> w(static_cast<std::size_t>(s.w_size()), 0.5f);
  std::vector<float> y(static_cast<std::size_t>(s.y_size()), 0.5f);
  cpu::force_conv2d_algorithm(algorithm);
  measure(state, s, threads, [&] {
    switch (pass) {
      case Pass::forward:
        return conv2d_forward(ex, s, x.data(), w.data(), nullptr, y.data());
      case Pass::backward_data:
        return conv2d_backward_data(ex, s, y.data(), w.data(), Write::overwrite, x.data());
      case Pass::backward_weight:
        return conv2d_backward_weight(ex, s, x.data(), y.data(), w.data(), nullptr);
    }
  });
  cpu::force_conv2d_algorithm(std::nullopt);
}

void add(const std::string& name, const std::function<void(benchmark::State&)>& body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Unit(benchmark::kMicrosecond);
}

void add_shape(const Conv2dShape& s) {
  cpu::force_conv2d_algorithm(Conv2dAlgorithm::winograd);
  const bool has_winograd =
      cpu::conv2d_algorithm(s, cpu::Conv2dPass::forward) == Conv2dAlgorithm::winograd;
  cpu::force_conv2d_algorithm(std::nullopt);
  for (const auto& [pass, pass_name] :
       {std::pair{Pass::forward, "forward"}, std::pair{Pass::backward_data, "backward_data"},
        std::pair{Pass::backward_weight, "backward_weight"}}) {
    for (int threads : {1, 2}) {
      const auto name = [&, pass_name = pass_name](const char* who) {
        return fmt::format("conv2d_{}/{}x{}x{}x{}/{}/{}x{}s{}p{}/threads:{}/{}", pass_name, s.n,
                           s.h, s.w, s.c, s.k, s.r, s.s, s.stride_h, s.pad_h, threads, who);
      };
      const Pass p = pass;
      add(name("direct"), [=](benchmark::State& state) {
        measure_ours(state, p, Conv2dAlgorithm::direct, s, threads);
      });
      if (has_winograd) {
        add(name("winograd"), [=](benchmark::State& state) {
          measure_ours(state, p, Conv2dAlgorithm::winograd, s, threads);
        });
      }
#if TRIFOLD_WITH_ONEDNN
      add(name("onednn"), [=](benchmark::State& state) {
        measure(state, s, threads, trifold::bench::onednn_conv2d(p, s, threads));
      });
#endif
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<std::string> files(argv + 1, argv + argc);
  if (files.empty()) files = {"bench/shapes/conv2d_cifar.txt", "bench/shapes/conv2d_imagenet.txt"};
  for (int threads : {1, 2}) {
    fmt::print("multiply-add peak of {} thread{}: {:.1f} Gflop/s\n", threads,
               threads == 1 ? "" : "s", threads_of(threads).peak * 1e-9);
  }
  for (const std::string& file : files) {
    for (const Conv2dShape& s : read_shapes(file)) add_shape(s);
  }
  benchmark::RunSpecifiedBenchmarks();
}
