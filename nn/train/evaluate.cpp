#include "nn/train/evaluate.h"

#include <chrono>
#include <cmath>

#include "kernels/runtime/error.h"
#include "kernels/runtime/trace.h"
#include "nn/data/device_loader.h"
#include "nn/execute/folded_network.h"
#include "nn/train/network_input.h"
#include "nn/train/running_totals.h"

namespace trifold::nn {

using engine::Tape;
using engine::Var;

Evaluation evaluate(const Network& network, const Dataset& dataset,
                    const Normalisation& normalisation, InputSize size, const kernels::Exec& ex,
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
    const Var logits = Var::constant(folded.forward(ex, network_input(ex, images->x, size).value));
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

}  // namespace trifold::nn
