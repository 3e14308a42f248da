#include "pruning/latency/stopwatch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "engine/ops.h"
#include "engine/packed_conv2d.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/instruction_set.h"
#include "kernels/runtime/memory.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/execute/folded_network.h"
#include "nn/network.h"
#include "trifold/version.h"

namespace trifold::pruning {
namespace {

using engine::Tensor;
using engine::Var;

double median_seconds(const kernels::Exec& ex, const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  const auto run = [&] {
    const auto start = Clock::now();
    work();
    kernels::synchronize(ex.device, ex.stream);
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  run();
  constexpr std::size_t least_runs = 5, most_runs = 1000;
  constexpr double enough_seconds = 2e-3;
  std::vector<double> seconds;
  double sum = 0;
  while (seconds.size() < least_runs || (sum < enough_seconds && seconds.size() < most_runs)) {
    seconds.push_back(run());
    sum += seconds.back();
  }
  const auto middle = seconds.begin() + std::ssize(seconds) / 2;
  std::ranges::nth_element(seconds, middle);
  return *middle;
}

// What stands behind `key` and a colon in a file of /proc; empty where nothing does.
std::string told(const std::filesystem::path& file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t value = line.find_first_not_of(": \t", key.size());
    if (line.starts_with(key) && value != std::string::npos) return line.substr(value);
  }
  return {};
}

// The models of all GPUs: which number is which, the driver alone knows.
std::string gpu_names() {
  std::error_code none;
  std::set<std::string> names;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", none)) {
    names.insert(told(gpu.path() / "information", "Model"));
  }
  return fmt::format("{}", fmt::join(names, " and "));
}

const char* name_of(kernels::Precision precision) {
  switch (precision) {
    case kernels::Precision::tf32:
      return "tf32";
    case kernels::Precision::bf16:
      return "bf16";
    case kernels::Precision::fp32:
      break;
  }
  return "fp32";
}

// Values of a batch that a layer reads.
Var batch_of(const kernels::Exec& ex, std::int64_t batch, const Layer& layer) {
  return Var::constant(Tensor::filled({batch, layer.h, layer.w, layer.in}, 0.5f, ex.device));
}

Tensor constants(const kernels::Exec& ex, std::int64_t count) {
  return Tensor::filled({count}, 0.5f, ex.device);
}

std::function<void()> convolution(const kernels::Exec& ex, std::int64_t batch, const Layer& layer) {
  std::optional<engine::ConstantNorm> norm;
  if (layer.norm) {
    norm = {constants(ex, layer.in), constants(ex, layer.in), constants(ex, layer.in),
            kernels::Activation::relu};
  }
  engine::PackedConv2d conv(
      Tensor::filled({layer.window, layer.window, layer.in, layer.out}, 0.01f, ex.device),
      constants(ex, layer.out), {layer.stride, layer.stride, layer.pad, layer.pad},
      std::move(norm));
  const Tensor x = batch_of(ex, batch, layer).value;
  Tensor residual;
  if (layer.residual) residual = conv.run(ex, x, nullptr, kernels::Activation::relu);
  return [=]() mutable {
    conv.run(ex, x, residual.defined() ? &residual : nullptr, kernels::Activation::relu);
  };
}

// Everything but convolutions runs as it does in training, without a tape's records.
std::function<void()> operation(const kernels::Exec& ex, std::int64_t batch, const Layer& layer) {
  const Var x = batch_of(ex, batch, layer);
  const auto on_tape = [&](auto op) {
    return [=] {
      engine::Tape tape(ex, engine::Tape::Mode::no_grad);
      op(tape);
    };
  };
  const engine::PoolGeometry pool{layer.window, layer.window, layer.stride,
                                  layer.stride, layer.pad,    layer.pad};
  if (layer.op == "relu") return on_tape([=](auto& tape) { engine::relu(tape, x); });
  if (layer.op == "relu6") return on_tape([=](auto& tape) { engine::relu6(tape, x); });
  if (layer.op == "sigmoid" || layer.op == "silu" || layer.op == "hard_sigmoid" ||
      layer.op == "hard_swish") {
    const auto op = std::get<nn::Sigmoid>(nn::op_of_name(layer.op));
    return on_tape([=](auto& tape) { engine::sigmoid(tape, x, op.kind); });
  }
  if (layer.op == "channel_scale") {
    const Var factor = Var::constant(Tensor::filled({batch, layer.in}, 0.5f, ex.device));
    return on_tape([=](auto& tape) { engine::channel_scale(tape, x, factor); });
  }
  if (layer.op == "add") return on_tape([=](auto& tape) { engine::add(tape, x, x); });
  if (layer.op == "concat") {
    return on_tape([=](auto& tape) { engine::concat(tape, std::vector<Var>{x}); });
  }
  if (layer.op == "max_pool") return on_tape([=](auto& tape) { engine::max_pool(tape, x, pool); });
  if (layer.op == "avg_pool") return on_tape([=](auto& tape) { engine::avg_pool(tape, x, pool); });
  if (layer.op == "global_avg_pool") {
    return on_tape([=](auto& tape) { engine::global_avg_pool(tape, x); });
  }
  if (layer.op == "flatten") return on_tape([=](auto& tape) { engine::flatten(tape, x); });
  if (layer.op == "depthwise_conv2d" || layer.op == "grouped_conv2d") {
    const bool depthwise = layer.op == "depthwise_conv2d";
    const engine::Shape shape =
        depthwise ? engine::Shape{layer.window, layer.window, layer.in}
                  : engine::Shape{layer.window, layer.window, layer.in / layer.groups, layer.out};
    const Var w = Var::constant(Tensor::filled(shape, 0.01f, ex.device));
    const Var b = Var::constant(constants(ex, layer.out));
    const engine::ConvGeometry geometry{layer.stride, layer.stride, layer.pad, layer.pad};
    return on_tape([=, groups = layer.groups, residual = layer.residual](auto& tape) {
      const Var y = depthwise ? engine::depthwise_conv2d(tape, x, w, &b, geometry)
                              : engine::grouped_conv2d(tape, x, w, &b, groups, geometry);
      if (residual) engine::add(tape, y, y);
    });
  }
  if (layer.op == "batch_norm") {
    const Var values = Var::constant(constants(ex, layer.in));
    return on_tape([=, residual = layer.residual](auto& tape) {
      engine::batch_norm(tape, x, {&values, &values, values.value, values.value},
                         engine::Statistics::running, residual ? &x : nullptr,
                         kernels::Activation::relu);
    });
  }
  if (layer.op == "channel_gather") {
    std::vector<std::int32_t> source(static_cast<std::size_t>(layer.out));
    for (std::size_t i = 0; i < source.size(); ++i) {
      source[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) % layer.in);
    }
    const Tensor picked = Tensor::from({layer.out}, source, ex.device);
    return on_tape([=, stride = layer.stride](auto& tape) {
      engine::channel_gather(tape, x, picked, stride);
    });
  }
  require<ShapeError>(layer.op == "linear", "there is no time of a '{}'", layer.op);
  const Var rows = Var::constant(Tensor::filled({batch, layer.in}, 0.5f, ex.device));
  const Var w = Var::constant(Tensor::filled({layer.in, layer.out}, 0.01f, ex.device));
  const Var b = Var::constant(constants(ex, layer.out));
  return on_tape([=](auto& tape) { engine::linear(tape, rows, w, &b); });
}

}  // namespace

std::string DeviceStopwatch::context() const {
  const std::string device =
      ex_.device.kind == DeviceKind::cpu
          ? fmt::format("{}, {}, {} threads", told("/proc/cpuinfo", "model name"),
                        kernels::to_string(kernels::active_instruction_set()),
                        ex_.pool ? ex_.pool->threads() : 1)
          : fmt::format("cuda:{} of {}, {}", ex_.device.index, gpu_names(), name_of(ex_.precision));
  return fmt::format("{}, batches of {}, kernels of Trifold {}", device, batch_, TRIFOLD_VERSION);
}

std::int64_t DeviceStopwatch::filters_at_once() const {
  constexpr std::int64_t cuda_filters = 8;  // of a tensor core
  return ex_.device.kind == DeviceKind::cpu
             ? kernels::vector_lanes(kernels::active_instruction_set())
             : cuda_filters;
}

double DeviceStopwatch::seconds(const Layer& layer) {
  return median_seconds(
      ex_, layer.op == "conv2d" ? convolution(ex_, batch_, layer) : operation(ex_, batch_, layer));
}

double DeviceStopwatch::seconds(const nn::Graph& graph, std::int64_t side) {
  const nn::Network network(graph, ex_.device);
  nn::FoldedNetwork folded(network);
  const Tensor images =
      Tensor::filled({batch_, side, side, graph.input_channels()}, 0.5f, ex_.device);
  return median_seconds(ex_, [&] { folded.forward(ex_, images); });
}

}  // namespace trifold::pruning
