/// The roofline of whole training steps on an H100 and an A100, on paper: what every kind of kernel
/// moves, multiplies and issues, and the time that the device needs for it at least.
///
///     cuda_roofline --issue bench/cuda_loops.tsv    Markdown, for the networks and batches below
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
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "apps/cli/exit_code.h"
#include "bench/step_run.h"
#include "bench/step_times.h"
#include "bench/step_traffic.h"
#include "nn/arch/architectures.h"

namespace {

using namespace trifold;
using bench::Fusion;
using bench::Launch;

using bench::Gpu;
using bench::h100;

constexpr double fp32_macs_per_s = 67e12 / 2;  ///< of an H100
constexpr std::int64_t usual_side = 32, classes = 10;

struct Total {
  std::int64_t launches = 0;
  double bytes = 0, macs = 0;
  /// At the peaks of an H100's memory and arithmetic alone.
  double seconds_in_bf16 = 0, seconds_in_fp32 = 0;

  void count(const Launch& l) {
    ++launches;
    bytes += l.bytes();
    macs += l.macs;
    seconds_in_bf16 += std::max(l.bytes() / h100.bytes_per_s, l.macs / h100.tensor_macs_per_s);
  }
  void count_in_fp32(const Launch& l) {
    seconds_in_fp32 += std::max(l.bytes() / h100.bytes_per_s, l.macs / fp32_macs_per_s);
  }
};

/// A step's launches on tensor cores, which are counted, and in float32.
struct Step {
  std::vector<Launch> launches, in_fp32;

  Step(const nn::Graph& graph, std::int64_t side, std::int64_t batch, Fusion fusion)
      : launches(training_step(graph, side, batch, fusion, true)),
        in_fp32(training_step(graph, side, batch, fusion, false)) {}

  std::map<std::string, Total> by_kind() const {
    std::map<std::string, Total> totals;
    for (const Launch& l : launches) totals[l.kind].count(l);
    for (const Launch& l : in_fp32) totals[l.kind].count_in_fp32(l);
    return totals;
  }
  Total total() const {
    Total total;
    for (const Launch& l : launches) total.count(l);
    for (const Launch& l : in_fp32) total.count_in_fp32(l);
    return total;
  }
};

/// The times of launches on a GPU, added up.
struct Times {
  std::int64_t launches = 0;
  double bytes = 0, least_bytes = 0, macs = 0, least_macs = 0, seconds = 0;
  std::array<double, bench::bound_names.size()> by_bound{};  ///< what each would take alone
  std::array<double, bench::bound_names.size()> bounded{};   ///< what each is the longest of

  void add(const Launch& launch, const bench::LaunchTime& time) {
    ++launches;
    bytes += launch.bytes();
    macs += launch.macs;
    least_bytes += launch.least_bytes;
    least_macs += launch.least_macs;
    seconds += time.longest();
    bounded[static_cast<std::size_t>(time.bound())] += time.longest();
    for (std::size_t i = 0; i < by_bound.size(); ++i) by_bound[i] += time.seconds[i];
  }
  /// The bounds of a tenth of the time or more, the largest first.
  std::string bounds() const {
    std::vector<std::pair<double, std::string>> shares;
    for (std::size_t i = 0; i < bounded.size(); ++i) {
      if (bounded[i] > seconds / 10)
        shares.emplace_back(bounded[i] / seconds, bench::bound_names[i]);
    }
    std::sort(shares.rbegin(), shares.rend());
    std::string text;
    for (const auto& [share, name] : shares) {
      text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", name, 100 * share);
    }
    return text;
  }
  void print(const std::string& name) const {
    fmt::print("| {} | {} | {:.3f} | {:.3f} | {:.1f} | {:.1f} ", name, launches, 1e-9 * bytes,
               1e-9 * least_bytes, 2e-9 * macs, 2e-9 * least_macs);
    for (const double alone : by_bound) {
      if (alone > 0) {
        fmt::print("| {:.3f} ", 1e3 * alone);
      } else {
        fmt::print("| ");
      }
    }
    fmt::print("| {:.3f} | {} |\n", 1e3 * seconds, bounds());
  }
};

struct TimedNetwork {
  const char* name;
  std::int64_t batch, side, classes;
};
constexpr std::array timed_networks{
    TimedNetwork{"resnet20", 128, usual_side, classes},
    TimedNetwork{"resnet56", 128, usual_side, classes},
    TimedNetwork{"densenet40", 128, usual_side, classes},
    TimedNetwork{"resnet50", 256, 224, 1000},
};

/// Calls body(network, gpu, launches, times) for each.
template <class Body>
void for_each_timed_step(const bench::MachineCode& code, const Body& body) {
  for (const TimedNetwork& network : timed_networks) {
    const nn::Graph graph = nn::make_architecture(network.name, 3, network.classes);
    const std::vector<Launch> launches =
        training_step(graph, network.side, network.batch, Fusion::convolutions, true);
    for (const Gpu& gpu : {h100, bench::a100}) {
      body(network, gpu, launches, step_times(launches, gpu, code));
    }
  }
}

void print_times(const bench::MachineCode& code) {
  fmt::print(R"(## Times of whole steps

Each launch takes as long as the longest of six bounds (`bench/step_times.h`): its warps'
instructions, counted in the machine code of its loops; its products on tensor cores at the peak of
bf16; its accesses of shared memory, without bank conflicts; its bytes from the L2 cache, and those
from DRAM; and a launch's latency. Instructions are the least that are issued, all schedulers are
taken to issue at each clock, and nothing is left waiting for anything: a step takes longer. On an
H100 the peak of the tensor cores isn't reached by the instructions that these kernels have (HMMA),
but by those of whole groups of warps alone.

| network | batch | GPU | launches | GB | GFLOP | issue ms | tensor ms | shared ms | L2 ms | DRAM ms | launch ms | predicted ms | images/s | bound by |
|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|
)");
  for_each_timed_step(code, [](const TimedNetwork& network, const Gpu& gpu, const auto& launches,
                               const auto& times) {
    Times all;
    for (std::size_t i = 0; i < launches.size(); ++i) all.add(launches[i], times[i]);
    fmt::print("| {} | {} | {} | {} | {:.2f} | {:.0f} ", network.name, network.batch, gpu.name,
               all.launches, 1e-9 * all.bytes, 2e-9 * all.macs);
    for (const double alone : all.by_bound) fmt::print("| {:.2f} ", 1e3 * alone);
    fmt::print("| {:.2f} | {:.0f} | {} |\n", 1e3 * all.seconds,
               static_cast<double>(network.batch) / all.seconds, all.bounds());
  });
  fmt::print(R"(
As a check of scale: for ResNet-50 v1.5 with PyTorch's mixed precision, NVIDIA publishes 2470 images/s
in training on one A100 of 80 GB (DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5,
README, container 21.03; measured there, not here).

)");
  for_each_timed_step(code, [](const TimedNetwork& network, const Gpu& gpu, const auto& launches,
                               const auto& times) {
    fmt::print(
        "### {}, batch {}, {}\n\n"
        "| kernels | launches | GB | least GB | GFLOP | least GFLOP | issue ms | tensor ms "
        "| shared ms | L2 ms | DRAM ms | launch ms | predicted ms | bound by |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
        network.name, network.batch, gpu.name);
    std::map<std::string, Times> kinds;
    Times all;
    for (std::size_t i = 0; i < launches.size(); ++i) {
      kinds[launches[i].kind].add(launches[i], times[i]);
      all.add(launches[i], times[i]);
    }
    for (const auto& [kind, sum] : kinds) sum.print(kind);
    all.print("**the step**");
    fmt::print("\n");
  });
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
      "launches | of norms | unfused |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
  for_each_step([](const char* network, const nn::Graph& graph, std::int64_t batch) {
    const auto of = [&](Fusion f) { return Step(graph, usual_side, batch, f).total(); };
    const Total fused = of(Fusion::convolutions), norms = of(Fusion::norms),
                none = of(Fusion::none);
    fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {} | {} | {} |\n", network,
               batch, 1e-9 * fused.bytes, 1e-9 * norms.bytes, 1e-9 * none.bytes,
               fused.bytes / norms.bytes, fused.bytes / none.bytes, fused.launches, norms.launches,
               none.launches);
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
      1e-6 * h100.cache_bytes);
  for_each_step([](const char* network, const nn::Graph& graph, std::int64_t batch) {
    const auto of = [&](Fusion f) {
      const Step step(graph, usual_side, batch, f);
      const std::vector<double> found = bytes_found_in_cache(step.launches, h100.cache_bytes);
      return step.total().bytes - std::accumulate(found.begin(), found.end(), 0.0);
    };
    const double fused = of(Fusion::convolutions), norms = of(Fusion::norms),
                 none = of(Fusion::none);
    fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", network, batch,
               1e-9 * fused, 1e-9 * norms, 1e-9 * none, fused / norms, fused / none);
  });
  fmt::print("\n");
}

void print_report(const bench::MachineCode& code) {
  fmt::print(R"(# Training steps on an H100 and an A100: counted and predicted

By `cuda_roofline --issue bench/cuda_loops.tsv`; **nothing here was measured on a GPU**. Launches, bytes
and operations are counted from the shapes (`bench/step_traffic.h` says how) and checked against the
emulator's counters, instructions are counted in the compiler's machine code, and times are predicted
from both and from data sheets: 3.35 TB/s and 990 TFLOP/s in bf16 for an H100, 2.04 and 312 for an
A100 of 80 GB. Each runs its own machine code (sm_90, sm_80). Operations are those of
whole tiles; least bytes leave out partial results, least operations the padding of tiles. But for
ResNet-50's images are 32 x 32.

Fused is this project's step. Norms: a batch norm takes addition and ReLU along. Unfused is what a
framework does op by op with the kernels of cuDNN: convolution, statistics, normalisation, addition
and ReLU read and write their arrays, and so do their gradients and the sums of two gradients. Its
convolutions are taken to move what these do, partial results included.

In memory arrays are float32 at every precision, in all three steps. A framework that keeps them in
bf16 moves half of the unfused bytes, about what the fused step of a ResNet moves here.

)");
  print_summary();
  print_cached_summary();
  print_times(code);
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
               columns(bf16.seconds, t.seconds_in_bf16), columns(fp32.seconds, t.seconds_in_fp32));
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
  std::string counted, measured, issue;
  std::int64_t batch = 2, side = usual_side;
  bool steps = false;
  CLI::App app("Tabulates the roofline of training steps on an H100 and an A100");
  app.add_option("--issue", issue, "What bench/cuda_static.py --loops has counted, for the table");
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
    if (!measured.empty()) {
      measure(measured, side, batch);
      return 0;
    }
    require<ConfigError>(!issue.empty(),
                         "the table needs --issue bench/cuda_loops.tsv, the kernels' instructions");
    print_report(bench::MachineCode(issue));
    return 0;
  });
}
