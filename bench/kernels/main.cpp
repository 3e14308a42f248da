/// Times every CPU kernel beside the machine's bounds, which it measures first.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <thread>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/runtime/error.h"

namespace {

using namespace trifold;
using namespace trifold::bench;

std::vector<std::string> all_shape_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(TRIFOLD_SHAPES)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == ".txt" && path.filename() != "conv2d_small.txt") files.push_back(path);
  }
  std::ranges::sort(files);
  return files;
}

std::vector<int> one_and_all() {
  const auto all = static_cast<int>(std::thread::hardware_concurrency());
  return all > 1 ? std::vector{1, all} : std::vector{1};
}

int run(int argc, char** argv) {
  // Google Benchmark's own flags are told from the others by how they begin.
  std::vector<char*> own{argv[0]}, benchmarks{argv[0]};
  for (int i = 1; i < argc; ++i) {
    (std::string_view(argv[i]).starts_with("--benchmark_") ? benchmarks : own).push_back(argv[i]);
  }
  apps::CommandLine line(
      "bench_kernels",
      "Times every CPU kernel; each row shows its rates and its share of the machine's bound, "
      "which is measured first. Takes all flags of Google Benchmark too.",
      {"bench_kernels --benchmark_filter=^batch_norm --threads 1,2",
       "bench_kernels --benchmark_filter=^conv2d_forward bench/shapes/conv2d_pruned.txt",
       "bench_kernels --benchmark_counters_tabular=true --benchmark_repetitions=5"});
  std::vector<int> threads = one_and_all();
  std::vector<std::string> files;
  line.app()
      .add_option("--threads", threads, "Numbers of threads to time each row with, as in 1,2")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1024))
      ->type_name("N,...");
  line.app()
      .add_option("files", files,
                  "Files with the shapes of the convolutions; without: all of bench/shapes but the "
                  "small one")
      ->type_name("FILE");
  if (!line.parse(static_cast<int>(own.size()), own.data())) return apps::exit_ok;
  if (files.empty()) files = all_shape_files();
  std::ranges::sort(threads);
  threads.erase(std::unique(threads.begin(), threads.end()), threads.end());

  auto count = static_cast<int>(benchmarks.size());
  benchmark::Initialize(&count, benchmarks.data());
  if (benchmark::ReportUnrecognizedArguments(count, benchmarks.data())) return apps::exit_usage;
  const std::vector<kernels::Conv2dShape> shapes = read_conv2d_shapes(files);
  const Suite suite(threads);
  add_conv2d_rows(suite, shapes);
  add_depthwise_conv2d_rows(suite);
  add_inverted_residual_rows(suite);
  add_grouped_conv2d_rows(suite);
  add_norm_conv2d_rows(suite);
  add_batch_norm_rows(suite);
  add_elementwise_rows(suite);
  add_channel_rows(suite);
  add_pool_rows(suite);
  add_resize_rows(suite);
  add_classifier_rows(suite);
  add_optimizer_rows(suite);
  add_augment_rows(suite);
  // What made these figures, beside them in JSON and CSV.
  std::string build = apps::version_text("bench_kernels");
  std::ranges::replace(build, '\n', ';');
  benchmark::AddCustomContext("build", build);
  require<ConfigError>(benchmark::RunSpecifiedBenchmarks() > 0,
                       "no row has a name that --benchmark_filter matches; "
                       "--benchmark_list_tests=true lists the names");
  return apps::exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return apps::run_app([&] { return run(argc, argv); });
}
