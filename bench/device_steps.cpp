/// Steps of training on a device beside the same steps on the CPU: the first thing to look at where
/// kernels meet a device that they have never run on.
///
///     device_steps --network resnet20 [--batch 16] [--side 32] [--classes 10] [--steps 10]
///                  [--device cpu|cuda[:N]] [--precision fp32|tf32|bf16] [--threads 0]
///                  [--tolerance 1e-3]
///
/// Both start from the same weights and take the same images, which are noise. Prints one JSON
/// object with the losses before each step. Exit status 6: one is not finite, or differs by more
/// than the tolerance, relative to the CPU's; the learning rate is small, for a large one makes
/// chaos of rounding errors within a few steps.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/options.h"
#include "engine/random.h"
#include "nn/arch/architectures.h"
#include "nn/execute/executor.h"
#include "nn/train/sgd.h"

namespace {

using namespace trifold;

struct Options {
  std::string network = "resnet20";
  std::int64_t batch = 16, side = 32, classes = 10, steps = 10;
  double tolerance = 1e-3;
};

/// The losses of the steps; batches differ from step to step.
std::vector<double> train(const Options& o, const kernels::Exec& ex) {
  nn::Network fresh(nn::make_architecture(o.network, 3, o.classes));
  nn::initialise(fresh, 1);
  nn::Network network = fresh.to(ex.device);
  nn::Executor executor(network);
  nn::Sgd sgd(network, {}, ex);
  sgd.set_learning_rate(1e-3);
  engine::Random random(7);
  engine::Tensor images = engine::Tensor::zeros({o.batch, o.side, o.side, 3});
  std::vector<std::int32_t> labels(static_cast<std::size_t>(o.batch));
  std::vector<double> losses;
  for (std::int64_t step = 0; step < o.steps; ++step) {
    for (float& v : images.values()) v = static_cast<float>(random.uniform()) * 2 - 1;
    for (std::int32_t& label : labels) {
      label = static_cast<std::int32_t>(random.uniform_int(o.classes));
    }
    const engine::Tensor classes_of =
        engine::Tensor::from({o.batch}, std::span<const std::int32_t>(labels), ex.device);
    engine::Tape tape(ex);
    const engine::Var input = engine::Var::constant(images.to(ex.device));
    const engine::Var logits = executor.forward(tape, input, nn::training).logits;
    const engine::Var loss = engine::softmax_cross_entropy(tape, logits, classes_of, 0.0f);
    losses.push_back(static_cast<double>(loss.value.to(Device{}).values()[0]));
    tape.backward(loss);
    sgd.step(network);
  }
  return losses;
}

int run(int argc, char** argv) {
  Options o;
  apps::CommandLine line("device_steps",
                         "Trains some steps on a device and on the CPU, and compares their losses.",
                         {"device_steps --network resnet20 --device cuda"});
  apps::OptionSet& app = line.app();
  app.add_option("--network", o.network, "A built-in network, such as densenet40");
  app.add_option("--batch", o.batch, "Images a step")->check(CLI::Range(1, 1 << 20));
  app.add_option("--side", o.side, "Of the images, in pixels")->check(CLI::Range(1, 4096));
  app.add_option("--classes", o.classes, "Of the last layer")->check(CLI::Range(1, 1 << 20));
  app.add_option("--steps", o.steps, "Of training")->check(CLI::Range(1, 1 << 20));
  app.add_option("--tolerance", o.tolerance, "Relative difference of a loss that is let pass")
      ->check(CLI::Range(0.0, 1.0));
  apps::DeviceOptions device;
  device.add_to(app);
  if (!line.parse(argc, argv)) return apps::exit_ok;

  const kernels::Exec ex = device.exec();
  kernels::Exec on_cpu = ex;
  on_cpu.device = Device{};
  const std::vector<double> expected = train(o, on_cpu), losses = train(o, ex);
  double largest = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double difference = std::abs(losses[i] / expected[i] - 1);
    largest = std::isnan(difference) ? difference : std::max(largest, difference);
    if (std::isnan(largest)) break;
  }
  const nlohmann::json result = {{"network", o.network}, {"batch", o.batch},
                                 {"side", o.side},       {"cpu_losses", expected},
                                 {"losses", losses},     {"largest_difference", largest}};
  fmt::print("{}\n", result.dump());
  if (largest <= o.tolerance) return apps::exit_ok;
  throw apps::VerificationError(
      fmt::format("a loss differs from the CPU's by {:.2g} of it, more than {:.2g}; the tests of "
                  "the kernels say "
                  "which is wrong",
                  largest, o.tolerance));
}

}  // namespace

int main(int argc, char** argv) {
  return apps::run_app([&] { return run(argc, argv); });
}
