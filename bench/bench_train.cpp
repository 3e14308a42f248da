/// Whole training steps and whole inference: images a second, and the memory that they take.
///
///     bench_train --network resnet20 | --model FILE [--batch 128] [--side 32]
///                 [--device cpu|cuda[:N]] [--precision fp32|tf32|bf16] [--threads 0] [--inference]
///                 [--graph] [--seconds 5] [--warmup 2] [--plain] [--profile FILE.json]
///                 [--shards 0] [--ranks 1]
///
/// Prints one JSON object. Images are noise, for their content does not change the time; they are
/// on the device before the clock starts, so that this is the network's time and not the loader's.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/model_options.h"
#include "apps/cli/options.h"
#include "apps/cli/profile.h"
#include "apps/train/ranks.h"
#include "engine/graph_capture.h"
#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/instruction_set.h"
#include "kernels/runtime/memory.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/arch/architectures.h"
#include "nn/execute/executor.h"
#include "nn/execute/folded_network.h"
#include "nn/train/sgd.h"
#include "nn/train/shards.h"

namespace {

using namespace trifold;
using apps::DeviceOptions;
using apps::ProfileOption;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string network = "resnet20";
  apps::ModelOptions model;
  std::int64_t batch = 128, side = 0, classes = 10, shards = 0;
  bool inference = false, plain = false, graph = false;
  double seconds = 5, warmup = 2;
};

// Runs one step; the caller times it.
class Stepper {
 public:
  // `network` is that of the options, on the device of `ex`; `group` is null for a process on its own.
  Stepper(const Options& o, nn::Network network, const kernels::Exec& ex,
          const kernels::Collective* group)
      : options_(o),
        ex_(ex),
        network_(std::move(network)),
        executor_(network_),
        sgd_(network_, {}, ex) {
    sgd_.set_learning_rate(1e-3);
    if (o.inference) folded_.emplace(network_);
    if (o.graph) graph_.emplace(ex.device);
    if (o.shards > 0) shards_.emplace(o.shards, group, ex);
    const std::int64_t n = o.batch / std::max<std::int64_t>(o.shards, 1);
    engine::Tensor images =
        engine::Tensor::zeros({n, o.side, o.side, network_.graph().input_channels()});
    engine::Random random(7);
    for (float& v : images.values()) v = static_cast<float>(random.uniform()) * 2 - 1;
    images_ = images.to(ex.device);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      labels[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) % o.classes);
    }
    labels_ = engine::Tensor::from({n}, std::span<const std::int32_t>(labels), ex.device);
  }

  void step() {
    graph_ ? graph_->run([this] { work(); }) : work();
  }

  bool repeats_graph() const { return graph_ && graph_->captured(); }

  // Waits for all that the steps have started.
  void finish() const { kernels::synchronize(ex_.device, ex_.stream); }

 private:
  void work() {
    using engine::Tape;
    using engine::Var;
    if (options_.inference) {
      folded_->forward(ex_, images_);
      return;
    }
    const auto pass = [this](std::int64_t, const std::function<void()>& progressed) {
      Tape tape(ex_);
      nn::ForwardMode mode = nn::training;
      mode.fused = !options_.plain;
      const Var logits = executor_.forward(tape, Var::constant(images_), mode).logits;
      tape.backward(engine::softmax_cross_entropy(tape, logits, labels_, 0.0f), progressed);
      return kernels::Totals{};
    };
    shards_ ? shards_->run(network_, pass) : pass(0, {});
    sgd_.step(network_);
  }

  Options options_;
  kernels::Exec ex_;
  nn::Network network_;
  nn::Executor executor_;
  nn::Sgd sgd_;
  std::optional<nn::Shards> shards_;
  std::optional<nn::FoldedNetwork> folded_;
  engine::Tensor images_, labels_;
  std::optional<engine::GraphCapture> graph_;
};

// The network that is timed, on a device; the options learn from a model file what they don't say.
nn::Network make_network(Options& o, Device device) {
  if (o.model.file.empty()) {
    if (o.side == 0) o.side = 32;
    nn::Network network(nn::make_architecture(o.network, 3, o.classes));
    nn::initialise(network, 1);
    return network.to(device);
  }
  nn::Model model = o.model.load(device);
  o.network = model.info.arch;
  o.classes = nn::infer_channels(model.network.graph()).back();
  if (o.side == 0) o.side = model.info.side;
  return std::move(model.network);
}

// The most memory that the process has had, code and libraries included.
double peak_process_mb() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_maxrss) * 1024e-6;
}

int run(int argc, char** argv) {
  Options o;
  apps::CommandLine line(
      "bench_train", "Times whole training steps, or whole inference, and prints one JSON object.",
      {"bench_train --network resnet56 --batch 128",
       "bench_train --network resnet20 --inference --batch 1 --threads 1"});
  apps::OptionSet& app = line.app();
  app.add_option("--network", o.network, "A built-in network, such as densenet40");
  app.add_option("--model", o.model.file, "A network from a file instead")->type_name("FILE");
  app.add_option("--batch", o.batch, "Images a step")->check(CLI::Range(1, 1 << 20));
  app.add_option("--side", o.side, "Of the images, in pixels; 0 is the model's own, else 32")
      ->check(CLI::Range(0, 4096));
  app.add_option("--classes", o.classes, "Of the last layer of a built-in network")
      ->check(CLI::Range(1, 1 << 20));
  DeviceOptions device;
  device.add_to(app);
  app.add_option("--seconds", o.seconds, "Of measuring")->check(CLI::Range(0.0, 1e6));
  app.add_option("--warmup", o.warmup, "Seconds before")->check(CLI::Range(0.0, 1e6));
  app.add_option("--shards", o.shards,
                 "Equal parts of a batch, with a pass each, as those of train")
      ->check(CLI::Range(0, 1024));
  apps::RanksOptions places;
  places.add_to(app);
  app.add_flag("--inference", o.inference, "Forward passes with folded batch norms");
  app.add_flag("--plain", o.plain, "Training op by op, without batch norms fused in convolutions");
  ProfileOption profile;
  profile.add_to(app);
  app.add_flag("--graph", o.graph, "Repeats a step, or a pass, as a CUDA graph");
  if (!line.parse(argc, argv)) return apps::exit_ok;

  require<ConfigError>(
      o.shards == 0 || (o.batch % o.shards == 0 && !o.inference && !o.graph),
      "--shards cuts a training batch into equal parts, and not as a graph; {} of {} "
      "images can't be",
      o.shards, o.batch);
  require<ConfigError>(places.count == 1 || o.shards > 0, "--ranks needs --shards to deal out");
  const apps::Ranks ranks(places);
  const kernels::Exec ex = ranks.exec(device);
  Stepper stepper(o, make_network(o, ex.device), ex, ranks.group());
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto start = Clock::now();
  do stepper.step();
  while (ranks.any(seconds_since(start) < o.warmup));
  std::vector<double> times;
  if (ranks.leads()) profile.start();
  const auto measured = Clock::now();
  while (ranks.any(seconds_since(measured) < o.seconds || times.size() < 3)) {
    const auto begin = Clock::now();
    stepper.step();
    stepper.finish();
    times.push_back(seconds_since(begin));
  }
  if (!ranks.leads()) return apps::exit_ok;
  profile.finish();
  std::ranges::sort(times);
  const double median = times[times.size() / 2];
  std::string build = apps::version_text("bench_train");
  std::ranges::replace(build, '\n', ';');
  const nlohmann::json result = {
      {"network", o.network},
      {"mode", o.inference ? "inference" : "training"},
      {"graph", stepper.repeats_graph()},
      {"batch", o.batch},
      {"side", o.side},
      {"device", ex.device.kind == DeviceKind::cpu ? "cpu" : "cuda"},
      {"threads", ex.pool->threads()},
      {"shards", o.shards},
      {"ranks", ranks.count()},
      {"build", build},
      {"instruction_set", kernels::to_string(kernels::active_instruction_set())},
      {"steps", times.size()},
      {"median_ms", 1e3 * median},
      {"fastest_ms", 1e3 * times.front()},
      {"images_per_s", static_cast<double>(o.batch) / median},
      {"peak_memory_mb", static_cast<double>(kernels::memory_use(ex.device).peak_bytes) * 1e-6},
      {"peak_process_mb", peak_process_mb()}};
  fmt::print("{}\n", result.dump());
  return apps::exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return apps::run_app([&] { return run(argc, argv); });
}
