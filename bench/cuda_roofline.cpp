/// The roofline of whole training steps on an H100, on paper: what every kind of kernel moves and
/// multiplies, the least that it could, and the time that the device's peaks leave it.
///
///     cuda_roofline                          Markdown, for the networks and batches below
///     cuda_roofline --count resnet20 --batch 2 --side 32
///     cuda_roofline --measure resnet20 --batch 128
///
/// With --measure the steps run on a GPU, and the times of their kernels stand beside the model's.
/// With --count, where kernels run under the checking emulator, one step of a network is run there
/// and the bytes that it counts are compared with the model's. Exit status 1: they differ by more
/// than a twentieth.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "apps/cli/exit_code.h"
#include "bench/step_run.h"
#include "bench/step_traffic.h"
#include "nn/arch/architectures.h"

namespace {

using namespace trifold;
using bench::Fusion;
using bench::Launch;

/// NVIDIA H100 SXM5, dense, from its data sheet.
constexpr double bytes_per_s = 3.35e12, cache_bytes = 50e6;
struct Peak {
  const char* precision;
  double macs_per_s;
};
constexpr std::array peaks{Peak{"fp32", 67e12 / 2}, Peak{"TF32", 495e12 / 2},
                           Peak{"bf16", 990e12 / 2}};
constexpr std::int64_t usual_side = 32, classes = 10;

struct Total {
  std::int64_t launches = 0;
  double bytes = 0, least_bytes = 0, macs = 0, least_macs = 0;
  std::array<double, peaks.size()> seconds{}, arithmetic_seconds{};

  void count(const Launch& l) {
    ++launches;
    bytes += l.bytes();
    least_bytes += l.least_bytes;
    macs += l.macs;
    least_macs += l.least_macs;
  }
  void time(const Launch& l, std::size_t peak) {
    const double memory = l.bytes() / bytes_per_s;
    const double arithmetic = l.macs / peaks[peak].macs_per_s;
    seconds[peak] += std::max(memory, arithmetic);
    if (arithmetic > memory) arithmetic_seconds[peak] += arithmetic;
  }
};

/// A step's launches on tensor cores, which are counted, and in float32.
struct Step {
  std::vector<Launch> launches, in_fp32;

  Step(const nn::Graph& graph, std::int64_t side, std::int64_t batch, Fusion fusion)
      : launches(training_step(graph, side, batch, fusion, true)),
        in_fp32(training_step(graph, side, batch, fusion, false)) {}

  /// The totals of launches by what key(launch) says, in order.
  template <class Key>
  std::map<std::string, Total> totals(const Key& key) const {
    std::map<std::string, Total> totals;
    for (const Launch& l : launches) {
      Total& t = totals[key(l)];
      t.count(l);
      for (std::size_t peak = 1; peak < peaks.size(); ++peak) t.time(l, peak);
    }
    for (const Launch& l : in_fp32) totals[key(l)].time(l, 0);
    return totals;
  }
  std::map<std::string, Total> by_kind() const {
    return totals([](const Launch& l) { return l.kind; });
  }
  Total total() const {
    return totals([](const Launch&) { return std::string(); })[""];
  }
};

void print_row(const std::string& name, const Total& t) {
  fmt::print("| {} | {} | {:.3f} | {:.3f} | {:.1f} | {:.1f} ", name, t.launches, 1e-9 * t.bytes,
             1e-9 * t.least_bytes, 2e-9 * t.macs, 2e-9 * t.least_macs);
  for (std::size_t i = 0; i < peaks.size(); ++i) {
    if (t.seconds[i] > 0) {
      fmt::print("| {:.3f} ({:.0f} %) ", 1e3 * t.seconds[i],
                 100 * (1 - t.arithmetic_seconds[i] / t.seconds[i]));
    } else {
      fmt::print("| ");
    }
  }
  fmt::print("|\n");
}

void print_step(const std::string& network, const nn::Graph& graph, std::int64_t batch) {
  const auto step = [&](Fusion fusion) { return Step(graph, usual_side, batch, fusion); };
  fmt::print(
      "## {}, batch {}\n\n"
      "| kernels | launches | GB | least GB | GFLOP | least GFLOP | fp32 ms | TF32 ms | bf16 ms |\n"
      "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
      network, batch);
  const Step fused = step(Fusion::convolutions);
  for (const auto& [kind, sum] : fused.by_kind()) print_row(kind, sum);
  print_row("**the step, fused**", fused.total());
  print_row("the step, norms with addition and ReLU", step(Fusion::norms).total());
  print_row("the step, unfused", step(Fusion::none).total());
  fmt::print("\n");
}

constexpr std::array networks{"resnet20", "resnet56", "densenet40"};
constexpr std::array<std::int64_t, 2> batches{128, 512};

/// Calls body(network, graph, batch) for each.
template <class Body>
void for_each_step(const Body& body) {
  for (const char* network : networks) {
    const nn::Graph graph = nn::make_architecture(network, 3, classes);
    for (const std::int64_t batch : batches) body(network, graph, batch);
  }
}

void print_summary() {
  fmt::print(
      "| network | batch | fused GB | norms GB | unfused GB | fused / norms | fused / unfused | "
      "fused ms, bf16 | unfused ms, bf16 |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
  for_each_step([](const char* network, const nn::Graph& graph, std::int64_t batch) {
    const auto of = [&](Fusion f) { return Step(graph, usual_side, batch, f).total(); };
    const Total fused = of(Fusion::convolutions), norms = of(Fusion::norms),
                none = of(Fusion::none);
    fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n",
               network, batch, 1e-9 * fused.bytes, 1e-9 * norms.bytes, 1e-9 * none.bytes,
               fused.bytes / norms.bytes, fused.bytes / none.bytes, 1e3 * fused.seconds[2],
               1e3 * none.seconds[2]);
  });
  fmt::print("\n");
}

/// What is left of the bytes where a cache of the size of the device's keeps what was used last.
void print_cached_summary() {
  fmt::print(
      R"(## With the L2 cache

An H100 has {:.0f} MB of it. If it kept exactly what was used last, as whole arrays, these are the bytes
that would still come from or go to DRAM: an array is found in the cache where all that was used
since, and the launch itself, fits beside it. Every write is taken to reach DRAM. No device's cache
works so; it is the most that one of the size gives to steps as they are.

)"
      "| network | batch | fused GB | norms GB | unfused GB | fused / norms | fused / unfused |\n"
      "|---|--:|--:|--:|--:|--:|--:|\n",
      1e-6 * cache_bytes);
  for_each_step([](const char* network, const nn::Graph& graph, std::int64_t batch) {
    const auto of = [&](Fusion f) {
      const Step step(graph, usual_side, batch, f);
      return step.total().bytes - bytes_found_in_cache(step.launches, cache_bytes);
    };
    const double fused = of(Fusion::convolutions), norms = of(Fusion::norms),
                 none = of(Fusion::none);
    fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", network, batch,
               1e-9 * fused, 1e-9 * norms, 1e-9 * none, fused / norms, fused / none);
  });
  fmt::print("\n");
}

void print_report() {
  fmt::print(R"(# Training steps on an H100: predicted from counted bytes and operations

By `cuda_roofline`; **nothing here was measured on a GPU**. Bytes and operations follow from the
shapes (`bench/step_traffic.h` says how) and are checked against the emulator's counters; times are
what the data sheet's peaks would leave: 3.35 TB/s, and 67, 495 and 990 TFLOP/s in fp32, TF32 and
bf16. The share of a time that memory bounds is in parentheses. Launches, bytes and operations are
those on tensor cores; in fp32 other kernels are chosen. Least bytes leave out partial results,
least operations the padding of tiles. Images are 32 x 32. No launch's latency is in it, and, but
for the second table, no cache that would keep arrays from one launch to the next.

Fused is this project's step. Norms: a batch norm takes addition and ReLU along. Unfused is what a
framework does op by op with the kernels of cuDNN: convolution, statistics, normalisation, addition
and ReLU read and write their arrays, and so do their gradients and the sums of two gradients. Its
convolutions are taken to move what these do, partial results included.

In memory arrays are float32 at every precision, in all three steps. A framework that keeps them in
bf16 moves half of the unfused bytes, about what the fused step of a ResNet moves here.

)");
  print_summary();
  print_cached_summary();
  for_each_step(print_step);
}

int compare(const std::string& name, std::int64_t side, std::int64_t batch, Fusion fusion) {
  const nn::Graph graph = nn::make_architecture(name, 3, classes);
  const Step model(graph, side, batch, fusion);
  std::map<std::string, bench::CountedKind> counted = count_step(graph, side, batch, fusion);
  std::map<std::string, Total> predicted = model.by_kind();
  bench::CountedKind sum;
  for (const auto& [kind, c] : counted) {
    predicted[kind];
    sum.launches += c.launches;
    sum.bytes += c.bytes;
    sum.tensor_macs += c.tensor_macs;
  }
  fmt::print(
      "{}, batch {}, {} x {} pixels\n\n| kernels | counted launches | model launches | counted MB "
      "| "
      "model MB | model / counted | counted tensor GFMA | model GFMA |\n"
      "|---|--:|--:|--:|--:|--:|--:|--:|\n",
      name, batch, side, side);
  const auto print = [](const std::string& kind, const bench::CountedKind& c, const Total& t) {
    fmt::print("| {} | {} | {} | {:.3f} | {:.3f} | {:.3f} | {:.4f} | {:.4f} |\n", kind, c.launches,
               t.launches, 1e-6 * c.bytes, 1e-6 * t.bytes, t.bytes / c.bytes, 1e-9 * c.tensor_macs,
               1e-9 * t.macs);
  };
  for (const auto& [kind, t] : predicted) print(kind, counted[kind], t);
  const Total all = model.total();
  print("all", sum, all);
  return std::abs(all.bytes / sum.bytes - 1) < 0.05 ? 0 : 1;
}

/// A step's kernels on the device, beside what the model leaves an H100 for them.
void measure(const std::string& name, std::int64_t side, std::int64_t batch) {
  const nn::Graph graph = nn::make_architecture(name, 3, classes);
  const Step model(graph, side, batch, Fusion::convolutions);
  std::map<std::string, Total> predicted = model.by_kind();
  using Timed = std::map<std::string, bench::TimedKind>;
  Timed in_bf16 = bench::time_step(graph, side, batch, kernels::Precision::bf16);
  Timed in_fp32 = bench::time_step(graph, side, batch, kernels::Precision::fp32);
  for (const Timed* timed : {&in_bf16, &in_fp32}) {
    for (const auto& [kind, t] : *timed) predicted[kind];
  }
  fmt::print(
      "{}, batch {}, {} x {} pixels\n\n| kernels | launches | model launches | bf16 ms | predicted "
      "| times it | fp32 ms | predicted | times it |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
      name, batch, side, side);
  bench::TimedKind all_in_bf16, all_in_fp32;
  const auto print = [](const std::string& kind, const bench::TimedKind& bf16,
                        const bench::TimedKind& fp32, const Total& t) {
    const auto columns = [](double measured, double best) {
      return best > 0 ? fmt::format("{:.3f} | {:.3f} | {:.1f}", 1e3 * measured, 1e3 * best,
                                    measured / best)
                      : fmt::format("{:.3f} | | ", 1e3 * measured);
    };
    fmt::print("| {} | {:.0f} | {} | {} | {} |\n", kind, bf16.launches, t.launches,
               columns(bf16.seconds, t.seconds[2]), columns(fp32.seconds, t.seconds[0]));
  };
  for (const auto& [kind, t] : predicted) {
    print(kind, in_bf16[kind], in_fp32[kind], t);
    all_in_bf16.launches += in_bf16[kind].launches;
    all_in_bf16.seconds += in_bf16[kind].seconds;
    all_in_fp32.seconds += in_fp32[kind].seconds;
  }
  print("all", all_in_bf16, all_in_fp32, model.total());
}

}  // namespace

int main(int argc, char** argv) {
  std::string counted, measured;
  std::int64_t batch = 2, side = usual_side;
  bool steps = false;
  CLI::App app("Tabulates the roofline of training steps on an H100");
  app.add_option("--count", counted, "Compare one step of this network with the emulator's counts");
  app.add_option("--measure", measured, "Compare steps of this network on a GPU with the model")
      ->excludes("--count");
  app.add_option("--batch", batch);
  app.add_option("--side", side);
  app.add_flag("--steps", steps, "Count batch norms as steps of their own");
  CLI11_PARSE(app, argc, argv);
  return apps::run_app([&] {
    if (!counted.empty()) {
      return compare(counted, side, batch, steps ? Fusion::norms : Fusion::convolutions);
    }
    measured.empty() ? print_report() : measure(measured, side, batch);
    return 0;
  });
}
