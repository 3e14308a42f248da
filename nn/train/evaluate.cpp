#include "nn/train/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "kernels/runtime/error.h"
#include "kernels/runtime/trace.h"
#include "nn/execute/executor.h"
#include "nn/execute/folded_network.h"
#include "nn/train/running_totals.h"

namespace trifold::nn {

using engine::Tape;
using engine::Tensor;
using engine::Var;

Var network_input(const kernels::Exec& ex, const Tensor& images, std::int64_t side) {
  Tape tape(ex, Tape::Mode::no_grad);
  return engine::resize(tape, Var::constant(images), side, side, kernels::ResizeFilter::antialias);
}

void check_fits(const Network& network, const Dataset& dataset) {
  const Graph& graph = network.graph();
  require<ConfigError>(graph.input_channels() == dataset.channels,
                       "the network reads {} channels, the images of {} have {}",
                       graph.input_channels(), dataset.name, dataset.channels);
  const std::int64_t classes = infer_channels(graph).back();
  // Where classes have no names, the last of them may merely have no image in this split.
  const bool fits =
      dataset.class_names.empty() ? dataset.classes <= classes : dataset.classes == classes;
  require<ConfigError>(fits, "the network tells {} classes apart, {} has {}", classes, dataset.name,
                       dataset.classes);
}

Evaluation evaluate(const Network& network, const Dataset& dataset,
                    const Normalisation& normalisation, std::int64_t side, const kernels::Exec& ex,
                    std::int64_t batch) {
  check_fits(network, dataset);
  const kernels::TraceRange range("evaluate");
  const auto start = std::chrono::steady_clock::now();
  DeviceLoader loader(dataset, normalisation, {.batch = batch, .shuffle = false}, ex);
  FoldedNetwork folded(network);
  RunningTotals sums(ex);
  loader.start(0);
  while (const std::optional<DeviceBatch> images = loader.next()) {
    Tape tape(ex, Tape::Mode::no_grad);
    const Var logits = Var::constant(folded.forward(ex, network_input(ex, images->x, side).value));
    const Var loss = engine::softmax_cross_entropy(tape, logits, images->labels, 0.0f);
    sums.add(logits.value, images->labels, loss.value);
  }
  const kernels::Totals totals = sums.read();
  require<DivergedError>(std::isfinite(totals.loss),
                         "the loss on the images of {} is not finite: the network's values are too "
                         "large to compute with",
                         dataset.name);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  Evaluation result;
  result.images = dataset.count;
  result.correct = totals.correct;
  result.loss = totals.loss / static_cast<double>(result.images);
  result.images_per_s = static_cast<double>(result.images) / seconds.count();
  return result;
}

double inference_rate(const Network& network, std::int64_t side, const kernels::Exec& ex,
                      std::int64_t batch) {
  using Clock = std::chrono::steady_clock;
  FoldedNetwork folded(network);
  const Tensor images =
      Tensor::filled({batch, side, side, network.graph().input_channels()}, 0.5f, ex.device);
  std::vector<double> seconds;
  const auto start = Clock::now();
  const auto since = [](Clock::time_point t) {
    return std::chrono::duration<double>(Clock::now() - t).count();
  };
  folded.forward(ex, images);
  while (seconds.size() < 3 || since(start) < 1.0) {
    const auto pass = Clock::now();
    folded.forward(ex, images).to(Device{});  // a copy to the CPU waits for the device
    seconds.push_back(since(pass));
  }
  std::ranges::sort(seconds);
  return static_cast<double>(batch) / seconds[seconds.size() / 2];
}

void reestimate_batch_norm(Network& network, const Dataset& dataset,
                           const Normalisation& normalisation, std::int64_t side,
                           const kernels::Exec& ex, std::uint64_t seed, std::int64_t batches,
                           std::int64_t batch) {
  check_fits(network, dataset);
  DeviceLoader loader(dataset, normalisation,
                      {.batch = std::min(batch, dataset.count), .seed = seed, .drop_last = true},
                      ex);
  const Executor executor(network);
  loader.start(0);
  for (std::int64_t i = 0; i < batches; ++i) {
    const std::optional<DeviceBatch> images = loader.next();
    if (!images) break;
    Tape tape(ex, Tape::Mode::no_grad);
    // A weight of 1 / (i + 1) for the newest batch makes the running statistics a plain average.
    executor.forward(tape, network_input(ex, images->x, side),
                     {engine::Statistics::batch, 1.0f / static_cast<float>(i + 1)});
  }
}

}  // namespace trifold::nn
