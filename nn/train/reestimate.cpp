#include "nn/train/reestimate.h"

#include <algorithm>

#include "nn/data/device_loader.h"
#include "nn/execute/executor.h"
#include "nn/train/network_input.h"

namespace trifold::nn {

void reestimate_batch_norm(Network& network, const Dataset& dataset,
                           const Normalisation& normalisation, InputSize size,
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
    engine::Tape tape(ex, engine::Tape::Mode::no_grad);
    // A weight of 1 / (i + 1) for the newest batch makes the running statistics a plain average.
    executor.forward(tape, network_input(ex, images->x, size),
                     {engine::Statistics::batch, 1.0f / static_cast<float>(i + 1)});
  }
}

}  // namespace trifold::nn
