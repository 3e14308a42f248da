#include "nn/train/network_input.h"

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::nn {

using engine::Tape;
using engine::Tensor;
using engine::Var;

Var network_input(const kernels::Exec& ex, const Tensor& images, InputSize size) {
  Tape tape(ex, Tape::Mode::no_grad);
  return engine::resize(tape, Var::constant(images), size.side, size.side, size.filter);
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

}  // namespace trifold::nn
